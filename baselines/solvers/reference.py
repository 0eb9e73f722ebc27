"""The reference that a policy is measured against."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

NAMES = {"optimum": "optimum", "upper_bound": "upper bound", "hindsight": "hindsight bound"}
"""Names of references by kind."""


@dataclass(frozen=True)
class Reference:
    """The value of the best policy, or a bound on it.

    Attributes
    ----------
    kind : {"optimum", "upper_bound", "hindsight"}
        ``"optimum"``: the best policy's return; ``"upper_bound"``: no policy earns more;
        ``"hindsight"``: the optimum on the very traces that are played, given that they are known
        in advance, so that no policy earns more on them.
    value : float
        Expected return of an episode.
    note : str
        One or two sentences on the approximations and their accuracy.
    values : ndarray or None
        In hindsight, the optimum of every single episode, if all of them were solved.
    """

    kind: Literal["optimum", "upper_bound", "hindsight"]
    value: float
    note: str
    values: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Its name within a sentence."""
        return NAMES[self.kind]
