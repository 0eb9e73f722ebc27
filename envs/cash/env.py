"""The Gymnasium environments of the cash problem: one world, and a vector of worlds."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from common.errors import InputError, choose, validated
from common.random_streams import Split
from envs.batch import whole_actions
from envs.cash.batch import CashBatch
from envs.cash.kernels import REPORT_NAMES
from envs.cash.parameters import CashParameters
from envs.cash.render import CashHistory, cash_picture, cash_text

Observation = NDArray[np.float32]


def cash_observation_space(size: int) -> Any:  # gymnasium types every Box as of any number
    """Return the space of observations: amounts are never negative and have no upper bound."""
    return spaces.Box(0.0, np.inf, (size,), np.float32)


def _trace_option(options: dict[str, Any] | None) -> Any:
    for name in options or {}:
        choose("reset option", name, ["trace"])
    return (options or {}).get("trace")


class CashInventoryEnv(gymnasium.Env[Observation, np.int64]):
    """Buy raw material, convert it into product, sell, and never run out of cash.

    ## Description
    A small maker buys raw material, turns 2 raw units into 1 product, and sells product at a
    moving price. In every step it does one thing: wait, buy a lot, or convert a lot.

    ## Action Space
    ``Discrete(1 + len(buy_lots) + len(convert_lots))``: wait first, then the buys, then the
    conversions. By default 0 wait, 1 buy one raw unit, 2 convert 2 raw into 1 product.
    `action_masks` says which actions are valid.

    ## Observation Space
    ``Box(0, inf, (6,), float32)``

    | index | name          | unit                           |
    |-------|---------------|--------------------------------|
    | 0     | raw           | units                          |
    | 1     | product       | units                          |
    | 2     | raw_price     | money/unit                     |
    | 3     | product_price | money/unit                     |
    | 4     | demand        | units/step, last one realised  |
    | 5     | cash          | money                          |

    With ``observe_step=True`` a seventh entry holds the share of the episode that has passed.

    ## Sequence of events
    1. The action. A buy that cash does not cover and a conversion that raw stock does not cover
       are invalid: they change nothing.
    2. Demand is realised; ``sold = min(product, demand)`` at the price shown before the step.
    3. Unmet demand is penalised.
    4. Holding cost is charged on the raw and product stock that is left.
    5. Prices move and stay at or above 0.1.

    ## Rewards
    ``objective="shaped"``: conversion bonus per unit made + revenue - penalty of unmet demand -
    holding cost - penalty of an invalid action - penalty of bankruptcy. A purchase costs cash but
    no reward. ``objective="profit"``: the change in cash minus the holding cost.

    ## Starting State
    No stock, ``initial_cash``, prices ``max(0.1, N(mean, price_std))``, a first demand.
    ``reset(options={"trace": trace})`` replays given randomness: a mapping with the scalars
    ``raw_price`` and ``product_price``, ``demand`` of shape (max_steps + 1,), and
    ``raw_price_change`` and ``product_price_change`` of shape (max_steps,).

    ## Episode End
    Terminated when ``cash <= 0``; truncated after ``max_steps`` steps.

    ## Units
    Stocks in units, prices in money/unit, costs in money per unit and step, time in steps.

    ## Arguments
    The fields of `envs.cash.parameters.CashParameters`, as keywords, and:

    * ``render_mode``: ``"ansi"`` (a string), ``"human"`` (printed after every step) or
      ``"rgb_array"`` (a picture of the episode so far, which `gymnasium.wrappers.RecordVideo`
      turns into a video).
    * ``observe_step``: append the share of the episode that has passed to the observation.
    * ``split``: with ``demand_data``, which days are drawn (``"training"`` by default).

    ## Version History
    * v0: first version.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  (the base's own type)
        "render_modes": ["ansi", "human", "rgb_array"],
        "render_fps": 4,
    }

    def __init__(
        self,
        *,
        render_mode: str | None = None,
        observe_step: bool = False,
        split: Split = "training",
        **parameters: Any,
    ) -> None:
        if render_mode is not None:
            choose("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self.parameters = validated(CashParameters, parameters)
        self.batch = CashBatch(self.parameters, 1, split=split, observe_step=observe_step)
        self.observation_space = cash_observation_space(self.batch.observation_size)
        self.action_space = spaces.Discrete(self.batch.num_actions)
        self._history = CashHistory(self.parameters.max_steps)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; ``options={"trace": ...}`` gives its randomness.

        Raises
        ------
        InputError
            If the trace does not fit the parameters, or an option is unknown.
        """
        super().reset(seed=seed)
        self.batch.rng = self.np_random
        self.batch.reset(_trace_option(options))
        self._history = CashHistory(self.parameters.max_steps)
        self._show()
        return self.batch.observation()[0], self._info()

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move by one step.

        Raises
        ------
        ValueError
            If the action is out of range or the episode's time is over.
        """
        reward, terminated, truncated = self.batch.step(np.reshape(action, 1))
        self._show()
        return (
            self.batch.observation()[0],
            reward.item(),
            terminated.item(),
            truncated.item(),
            self._info(),
        )

    def _info(self) -> dict[str, Any]:
        return dict(zip(REPORT_NAMES, self.batch.report.item(), strict=True))

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which actions are valid now, shape (number of actions,)."""
        masks: NDArray[np.bool_] = self.batch.action_masks()[0]
        return masks

    def _show(self) -> None:
        """Print the step or record it for a picture, depending on the mode."""
        if self.render_mode == "human":
            self.render()
        elif self.render_mode == "rgb_array":
            self._history.record(self.batch.state[0])

    def render(self) -> str | NDArray[np.uint8] | None:
        """Return (``ansi``) or print (``human``) five lines about the last step, or draw it.

        ``rgb_array`` gives a picture of the episode so far, shape (480, 640, 3).
        """
        if self.render_mode == "rgb_array":
            return cash_picture(self._history)
        text = cash_text(self.batch.state[0])
        if self.render_mode == "human":
            print(text)
            return None
        return text if self.render_mode == "ansi" else None


class CashInventoryVectorEnv(VectorEnv[Observation, NDArray[np.int64], NDArray[Any]]):
    """Many worlds of the cash problem as a native Gymnasium vector environment.

    Parameters
    ----------
    num_envs : int
        Number of worlds.
    observe_step, split, **parameters
        As for `CashInventoryEnv`.
    autoreset_mode : AutoresetMode or str
        ``NextStep`` (Gymnasium's default: the step after the end resets and ignores its action)
        or ``SameStep`` (the last observation is found in ``infos["final_obs"]``).

    Notes
    -----
    ``reset(seed=n)`` seeds one generator for all worlds, and ``options={"trace": ...}`` takes
    arrays with a leading axis of worlds.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"]}  # noqa: RUF012  (the base's own type)

    def __init__(
        self,
        num_envs: int = 1,
        *,
        render_mode: str | None = None,
        observe_step: bool = False,
        split: Split = "training",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **parameters: Any,
    ) -> None:
        if render_mode is not None:
            choose("render_mode", render_mode, self.metadata["render_modes"])
        modes = [AutoresetMode.NEXT_STEP.value, AutoresetMode.SAME_STEP.value]
        mode = str(getattr(autoreset_mode, "value", autoreset_mode))
        self.autoreset_mode = AutoresetMode(choose("autoreset_mode", mode, modes))
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = render_mode
        if num_envs < 1:
            raise InputError(f"num_envs = {num_envs}: must be at least 1")
        self.num_envs = num_envs
        self.parameters = validated(CashParameters, parameters)
        self.batch = CashBatch(self.parameters, num_envs, split=split, observe_step=observe_step)
        self.single_observation_space = cash_observation_space(self.batch.observation_size)
        self.single_action_space = spaces.Discrete(self.batch.num_actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._ended = np.zeros(num_envs, np.bool_)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode in every world."""
        super().reset(seed=seed)
        self.batch.rng = self.np_random
        self.batch.reset(_trace_option(options))
        self._ended = np.zeros(self.num_envs, np.bool_)
        return self.batch.observation(), self._infos()

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[Observation, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Move every world by one step; worlds that have ended start anew."""
        actions = whole_actions(actions, (self.num_envs,))
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            return self._same_step(actions)
        batch, fresh = self.batch, np.flatnonzero(self._ended)
        if fresh.size:  # these worlds only begin: step everything, then put their start back
            batch.restart(fresh)
            start = batch.rows[:, fresh]
        reward, terminated, truncated = batch.step(actions)
        if fresh.size:
            batch.rows[:, fresh] = start
            reward[fresh], terminated[fresh], truncated[fresh] = 0.0, False, False
        self._ended = terminated | truncated
        return batch.observation(), reward, terminated, truncated, self._infos()

    def _same_step(
        self, actions: NDArray[np.int64]
    ) -> tuple[Observation, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        reward, terminated, truncated = self.batch.step(actions)
        observation, infos = self.batch.observation(), self._infos()
        ended = terminated | truncated
        if ended.any():
            final = np.full(self.num_envs, None, object)
            for world in np.flatnonzero(ended):
                final[world] = observation[world]
            extra = {"final_obs": final, "_final_obs": ended, "final_info": infos}
            self.batch.restart(np.flatnonzero(ended))
            observation, infos = self.batch.observation(), {**self._infos(), **extra}
            infos["_final_info"] = ended
        return observation, reward, terminated, truncated, infos

    def _infos(self) -> dict[str, Any]:
        report, infos = self.batch.report, {}
        for name in REPORT_NAMES:
            infos[name] = report[name].copy()
            infos[f"_{name}"] = np.ones(self.num_envs, np.bool_)
        return infos

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which actions are valid now, shape (num_envs, number of actions)."""
        return self.batch.action_masks()

    def render(self) -> tuple[str, ...] | None:
        """Return five lines per world in ``ansi`` mode."""
        if self.render_mode != "ansi":
            return None
        return tuple(cash_text(world) for world in self.batch.state)
