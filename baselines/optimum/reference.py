"""What a policy is measured against."""

from dataclasses import dataclass
from typing import Literal

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
    """

    kind: Literal["optimum", "upper_bound", "hindsight"]
    value: float
    note: str

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        return NAMES[self.kind]
