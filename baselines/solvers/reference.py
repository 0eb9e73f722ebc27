"""What a policy is measured against."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

NAMES = {"optimum": "optimum", "upper_bound": "upper bound", "hindsight": "hindsight bound"}
"""What a reference is called, by its kind."""


@dataclass(frozen=True)
class Reference:
    """The value of the best policy, or a bound on it.

    Attributes
    ----------
    kind : {"optimum", "upper_bound", "hindsight"}
        ``"optimum"``: what the best policy earns; ``"upper_bound"``: no policy earns more;
        ``"hindsight"``: what was to be earned on the very traces that are played, by one who knew
        them beforehand, so that no policy earns more on them.
    value : float
        Expected return of an episode.
    note : str
        One or two sentences: what was approximated, and how fine.
    values : ndarray or None
        In hindsight, what was to be earned in every single episode, where all of them were solved.
    """

    kind: Literal["optimum", "upper_bound", "hindsight"]
    value: float
    note: str
    values: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        return NAMES[self.kind]
