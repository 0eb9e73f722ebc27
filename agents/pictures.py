"""A picture of one episode of the supply chain in TensorBoard, now and then."""

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Image

from baselines.policy import Policy
from envs.supply_chain_rendering import History, chain_picture
from inventory.batch import Trace
from inventory.problems import PROBLEMS


class EpisodePicture(BaseCallback):
    """Draw an episode on a validation trace: on-hand, pipeline and lost sales per site.

    Parameters
    ----------
    policy : Policy
        The team as it stands.
    parameters : SupplyChainParameters
        The problem.
    trace : dict
        Validation traces, of which the first is played.
    observe_step : bool
        As in training.
    steps : int
        Steps from one picture to the next.

    Attributes
    ----------
    next : int
        Step of the next picture.
    """

    def __init__(
        self,
        policy: Policy,
        parameters: object,
        trace: Trace,
        *,
        observe_step: bool,
        steps: int,
    ) -> None:
        super().__init__()
        self._policy, self._parameters, self._observe_step = policy, parameters, observe_step
        self._trace = {name: values[:1] for name, values in trace.items()}
        self.next = self._steps = steps

    def _on_step(self) -> bool:
        if self.num_timesteps >= self.next:
            self.next += self._steps
            self._draw()
        return True

    def _draw(self) -> None:
        batch = PROBLEMS["stores"].make_batch(
            self._parameters, 1, split="validation", observe_step=self._observe_step
        )
        batch.reset(self._trace)
        self._policy.bind(batch)
        history, memory, over = History(batch), None, False  # type: ignore[arg-type]
        start = np.ones(1, np.bool_)
        while not over:
            actions, memory = self._policy.predict(batch.observation(), memory, start)
            over = bool(batch.step(actions).truncated[0])
            start = np.zeros(1, np.bool_)
            history.record(batch)  # type: ignore[arg-type]
        picture = Image(chain_picture(history), "HWC")
        self.logger.record("evaluation/episode", picture, exclude=("csv", "stdout", "json", "log"))
        self.logger.dump(self.num_timesteps)
