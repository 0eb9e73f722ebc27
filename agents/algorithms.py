"""The algorithms by name; their classes are imported when a model is built."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from agents import hyperparameters as hp

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm


@dataclass(frozen=True)
class Algorithm:
    """One algorithm of the registry.

    Attributes
    ----------
    model : str or type
        This project's subclass of SB3's class, built afresh and then loaded; as ``module:Class``
        it is imported when needed, so that reading a configuration does not wait for torch.
    settings : type
        Class of its hyperparameters.
    policy : str
        SB3's name of the policy class.
    off_policy, masks, recurrent : bool
        Whether it has a replay buffer, uses action masks, keeps a hidden state.
    """

    model: "str | type[BaseAlgorithm]"
    settings: type[hp.Hyperparameters]
    policy: str = "MlpPolicy"
    off_policy: bool = False
    masks: bool = False
    recurrent: bool = False

    def load_model(self) -> "type[BaseAlgorithm]":
        """Return the class of the model."""
        if not isinstance(self.model, str):
            return self.model
        module, _, name = self.model.partition(":")
        found: type[BaseAlgorithm] = getattr(import_module(module), name)
        return found


ALGORITHMS: dict[str, Algorithm] = {
    "dqn": Algorithm("agents.models:BatchedDQN", hp.DQN, off_policy=True),
    "qrdqn": Algorithm("agents.models:BatchedQRDQN", hp.QRDQN, off_policy=True),
    "ppo": Algorithm("agents.models:BatchedPPO", hp.PPO),
    "a2c": Algorithm("agents.models:BatchedA2C", hp.A2C),
    "trpo": Algorithm("agents.models:BatchedTRPO", hp.TRPO),
    "maskable_ppo": Algorithm("agents.models:BatchedMaskablePPO", hp.PPO, masks=True),
    "recurrent_ppo": Algorithm(
        "agents.models:BatchedRecurrentPPO", hp.RecurrentPPO, policy="MlpLstmPolicy", recurrent=True
    ),
    "dcl": Algorithm("agents.dcl.algorithm:DCL", hp.DCL),
}
