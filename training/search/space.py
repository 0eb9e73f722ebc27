"""Search spaces of hyperparameters, as they stand in ``configs/search.yaml``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from agents.config import CONFIGS, read_yaml
from common.errors import FrozenModel, InputError, short, validated

if TYPE_CHECKING:
    from optuna.trial import Trial

Choice = bool | int | float | str


class Range(FrozenModel):
    """Where a setting is searched: from `low` to `high`, or among `choices`.

    Attributes
    ----------
    low, high : float, optional
        Both ends, included; whole numbers if both are.
    log : bool
        Search the logarithm.
    choices : tuple
        Values in the place of a range; lists as YAML has them, such as ``"[64, 64]"``.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Choice, ...] = ()

    @model_validator(mode="after")
    def _one_of_both(self) -> "Range":
        if bool(self.choices) == (self.low is not None or self.high is not None):
            raise ValueError("needs choices, or low and high")
        if not self.choices and (self.low is None or self.high is None or self.low >= self.high):
            raise ValueError("low must be below high")
        if self.log and (self.low is None or self.low <= 0):
            raise ValueError("log needs a low above 0")
        return self

    def suggest(self, trial: "Trial", name: str) -> Choice:
        """Return the value that a trial takes, by Optuna."""
        if self.choices:
            chosen = trial.suggest_categorical(name, self.choices)
            return next(one for one in self.choices if one == chosen)
        assert self.low is not None  # noqa: S101  (see _one_of_both)
        assert self.high is not None  # noqa: S101  (see _one_of_both)
        if self.low == int(self.low) and self.high == int(self.high):
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


Space = dict[str, Range]
"""By name of the setting, as ``--set`` has it."""


class _Spaces(FrozenModel):
    spaces: dict[str, Annotated[Space, Field(min_length=1, max_length=50)]]
    """By algorithm."""


def read_space(algo: str, file: Path | None = None) -> Space:
    """Return where the hyperparameters of an algorithm are searched.

    Parameters
    ----------
    algo : str
        The algorithm.
    file : Path, optional
        A YAML file in the shape of ``configs/search.yaml``, which it replaces.

    Raises
    ------
    InputError
        If the file is wrong or has no space for the algorithm.
    """
    path = file or CONFIGS / "search.yaml"
    spaces = validated(_Spaces, read_yaml(path), str(path)).spaces
    if algo not in spaces:
        raise InputError(
            f"--algo {short(algo)}: {path} has no search space for it, but for "
            f"{', '.join(spaces)}; name a file that has one with --space"
        )
    return spaces[algo]


def assignments(values: dict[str, Any]) -> tuple[str, ...]:
    """Return values of a space as ``--set`` takes them."""
    return tuple(
        f"{name}={str(v).lower() if v in (True, False) else v}" for name, v in values.items()
    )
