"""What speaks against an order: limits of the user, demand like none before, states never seen."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from numpy.typing import NDArray

from common.errors import InputError

MOST_DEMAND = 10.0
"""So many times the largest demand of a training day is taken for an error."""


@dataclass(frozen=True)
class OrderLimits:
    """From when on an order is held back.

    Attributes
    ----------
    max_order : float or None
        Most units of an order.
    max_value : float or None
        Most money of an order, by the price in the state.
    max_multiple : float
        So many times what the rule orders, or what is usual until the next review if that is more.
    allow : bool
        Hold nothing back.
    """

    max_order: float | None = None
    max_value: float | None = None
    max_multiple: float = 5.0
    allow: bool = False

    def faults(
        self,
        order: float,
        *,
        rule: float,
        usual: float,
        price: float | None,
        demand: float,
        most: float,
    ) -> list[str]:
        """Return what speaks against an order.

        Parameters
        ----------
        order, rule, usual : float
            What the policy orders, what the rule orders, and what is expected to be sold until the
            next day of review [units].
        price : float or None
            Of a unit, where the state has it.
        demand : float
            The most in a day of those just before.
        most : float
            The most in a day of training [units].

        Raises
        ------
        InputError
            If there is a limit of money and no price.
        """
        faults = []
        if self.max_order is not None and order > self.max_order:
            faults.append(f"{order:,.0f} units, --max-order is {self.max_order:,.0f}")
        if self.max_value is not None:
            if price is None:
                raise InputError("--max-value: the state has no prices; add a column price")
            if order * price > self.max_value:
                faults.append(f"worth {order * price:,.0f}, --max-value is {self.max_value:,.0f}")
        if order > self.max_multiple * max(rule, usual, 1.0):
            faults.append(f"{order:,.0f} units, the rule orders {rule:,.0f}")
        most = max(most, 1.0)
        if demand > MOST_DEMAND * most:
            faults.append(f"a demand of {demand:,.0f} a day, {most:,.0f} at most in training")
        return faults


_PHRASES = (
    (r"on_hand.*", "stock on hand"),
    (r"pipeline_.*", "what is under way"),
    (r"backorders", "what customers wait for"),
    (r"cover.*", "days that the stock lasts"),
    (r"forecast(/200)?|mean of 7 days|smoothed level", "demand of the last days"),
    (r"demand_std.*|deviation.*", "spread of the demand"),
    (r"(mean|last demand) of the weekday.*", "demand of the same weekdays before"),
    (r"forecast until.*", "demand expected until the next order"),
    (r"forecast less.*|the same in shares.*", "demand expected beyond the stock"),
)
"""What a planner calls the entries of an observation; days of the calendar are left out."""


@lru_cache(maxsize=1000)
def _phrase(entry: str) -> str | None:
    """Return what a planner calls an entry, None of those of the calendar."""
    return next((text for form, text in _PHRASES if re.fullmatch(form, entry)), None)


def unusual_entries(
    names: Sequence[str], view: NDArray[Any], usual_range: tuple[NDArray[Any], NDArray[Any]]
) -> str:
    """Return in which respects a state lies outside of what was seen in training.

    Parameters
    ----------
    names : sequence of str
        Of the entries of a store's observation.
    view : ndarray
        The state as the store sees it, shape (entries,).
    usual_range : tuple of ndarray
        The least and the most in training, shape (entries,) each.

    Examples
    --------
    >>> import numpy as np
    >>> unusual_entries(["on_hand", "pipeline_1"], np.array([9.0, 0.0]), (np.zeros(2), np.ones(2)))
    'stock on hand higher than in training'
    """
    found: dict[str, None] = {}
    for entry, value, low, high in zip(names, view, *usual_range, strict=True):
        phrase = _phrase(entry)
        if phrase is not None and not low <= value <= high:
            found[f"{phrase} {'higher' if value > high else 'lower'} than in training"] = None
    return ", ".join(found)
