"""What a policy is measured against."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Reference:
    """The value of the best policy, or a bound on it.

    Attributes
    ----------
    kind : {"optimum", "upper_bound"}
        ``"optimum"``: what the best policy earns; ``"upper_bound"``: no policy earns more.
    value : float
        Expected return of an episode.
    note : str
        One or two sentences: what was approximated, and how fine.
    """

    kind: Literal["optimum", "upper_bound"]
    value: float
    note: str
