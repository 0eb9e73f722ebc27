"""NaN and infinity: training stops where the first one shows, and says what may have caused it."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback

from agents.algorithms import ALGORITHMS
from agents.config import RunConfig
from common.errors import NumericalError

SUSPECTS = 3
"""So many parameters are named."""


class Guard(BaseCallback):
    """Look at observations and rewards, at losses and at weights.

    A rollout's numbers are looked at in one sum, so the cost is small: on-policy once per rollout,
    off-policy in every step of the batch, where losses stand in for the weights.

    Parameters
    ----------
    config : RunConfig
        The learner's.
    player : str
        Whom it plays.

    Raises
    ------
    NumericalError
        From the callbacks and from `check_weights`.
    """

    def __init__(self, config: RunConfig, player: str) -> None:
        super().__init__()
        self._config, self._of = config, f" of {player}" if player else ""
        self._off_policy = ALGORITHMS[config.settings.algo].off_policy

    def _on_step(self) -> bool:
        if self._off_policy:
            self._check("observations", self.locals["new_obs"])
            self._check("rewards", self.locals["rewards"])
        return True

    def _on_rollout_end(self) -> None:
        if not self._off_policy:
            buffer: Any = self.locals["rollout_buffer"]
            self._check("observations", buffer.observations)
            self._check("rewards", buffer.rewards)

    def _on_rollout_start(self) -> None:
        for name, value in self.logger.name_to_value.items():
            if name.endswith("loss") and not math.isfinite(value):
                raise self.trouble(f"{name} is {value}")
        if not self._off_policy:
            self.check_weights()

    def check_weights(self) -> None:
        """Look at the weights now, before they are saved."""
        named = list(self.model.policy.named_parameters())
        with torch.no_grad():
            total = torch.nn.utils.get_total_norm([weight for _, weight in named])
            if math.isfinite(float(total)):
                return
            for name, weight in named:
                if not bool(torch.isfinite(weight).all()):
                    raise self.trouble(f"weights {name} are not finite")

    def explain(self, error: Exception) -> None:
        """Raise in place of an error that numbers which are not finite have led to."""
        self.check_weights()
        for name in ("_last_obs", "_last_original_obs"):
            seen = getattr(self.model, name, None)
            if seen is not None:
                self._check("observations", seen)
        if "nan" in str(error).lower():
            raise self.trouble(" ".join(str(error).split())[:120])

    def _check(self, what: str, values: NDArray[Any]) -> None:
        with np.errstate(all="ignore"):
            if math.isfinite(float(values.sum())):
                return
        if not np.isfinite(values).all():
            kind = "NaN" if np.isnan(values).any() else "infinity"
            raise self.trouble(f"{kind} in the {what}")

    def trouble(self, what: str) -> NumericalError:
        """Return the error: where, what, and the parameters to look at first."""
        named = "; ".join(suspects(self._config))
        return NumericalError(
            f"training{self._of} stopped at step {self.model.num_timesteps:,}: {what}; look at "
            f"{named or 'the reward (reward.scale=auto) and the learning rate'}"
        )


def suspects(config: RunConfig) -> list[str]:
    """Return the parameters that are farthest from their defaults, by orders of magnitude."""
    found: list[tuple[float, str]] = []
    for settings in (config.hyperparameters, config.parameters):
        usual = dict(_numbers(type(settings)().model_dump()))
        for name, value in _numbers(settings.model_dump()):
            default = usual.get(name)
            if default is not None and value != default:
                found.append((_distance(value, default), f"{name} = {value:g}, not {default:g}"))
    return [text for _, text in sorted(found, key=lambda pair: -pair[0])[:SUSPECTS]]


def _distance(value: float, default: float) -> float:
    if not math.isfinite(value):
        return math.inf
    if value == 0 or default == 0:
        return math.log10(1 + abs(value) + abs(default))
    return abs(math.log10(abs(value)) - math.log10(abs(default)))


def _numbers(values: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{within}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{within}{name}", float(value)
