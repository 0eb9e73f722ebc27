"""What speaks against an order: limits of the user, demand like none before, states never seen."""

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError

Floats = NDArray[np.float64]
MOST_DEMAND = 10.0
"""So many times the largest demand of training days is taken for an error."""


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
        So many times what the rule orders, or what is usual until the next order if that is more.
    allow : bool
        Hold nothing back.
    """

    max_order: float | None = None
    max_value: float | None = None
    max_multiple: float = 5.0
    allow: bool = False

    def faults(
        self,
        orders: Floats,
        *,
        rule: Floats,
        usual: Floats,
        price: Floats | None,
        demand: Floats,
        most: Floats,
        last_sales: Mapping[int, dt.date],
        period: str = "day",
    ) -> list[list[str]]:
        """Return what speaks against each order; every array has shape (rows,).

        Parameters
        ----------
        orders, rule, usual : ndarray
            What the policy orders, what the rule orders, and what is expected to be sold until the
            next day of review, and while a lot lasts where stores order in lots [units].
        price : ndarray or None
            Of a unit, where the state has it.
        demand : ndarray
            The most in a day of those just before.
        most : ndarray
            The most in a day of training [units].
        last_sales : mapping
            By row the last one of what sells no more.
        period : str
            What they are called: day, week or month.

        Raises
        ------
        InputError
            If there is a limit of money and no price.
        """
        found: list[list[str]] = [[] for _ in range(len(orders))]

        def note(rows: NDArray[np.bool_], text: Callable[[int], str]) -> None:
            for row in np.flatnonzero(rows).tolist():
                found[row].append(text(row))

        if (limit := self.max_order) is not None:
            note(orders > limit, lambda k: f"{orders[k]:,.0f} units, --max-order is {limit:,.0f}")
        if (value := self.max_value) is not None:
            if price is None:
                raise InputError("--max-value: the state has no prices; add a column price")
            worth = orders * price
            note(worth > value, lambda k: f"worth {worth[k]:,.0f}, --max-value is {value:,.0f}")
        largest = self.max_multiple * np.maximum(np.maximum(rule, usual), 1.0)
        note(
            orders > largest,
            lambda k: (
                f"{orders[k]:,.0f} units; the rule orders {rule[k]:,.0f}, {usual[k]:,.0f} are usual"
            ),
        )
        most = np.maximum(most, 1.0)
        note(
            demand > MOST_DEMAND * most,
            lambda k: (
                f"a demand of {demand[k]:,.0f} a {period}, {most[k]:,.0f} at most in training"
            ),
        )
        gone = np.isin(np.arange(len(orders)), list(last_sales))
        note(
            gone & (orders > 0.0),
            lambda k: (
                f"sold nothing since {last_sales[k]}, over twice as long as ever: closed, delisted "
                "or out of stock?"
            ),
        )
        return found


def unusual_stock(on_hand: Floats, due: Floats, most: Floats) -> list[str]:
    """Return whose stock is far beyond use, as of a miscount; every array has shape (rows,).

    Parameters
    ----------
    on_hand, due : ndarray
        Of a state: what is there, and what is under way [units].
    most : ndarray
        Largest demand of the days that an order is for [units].

    Returns
    -------
    list of str
        A text per row, empty where nothing is unusual.

    Examples
    --------
    >>> import numpy as np
    >>> unusual_stock(np.array([51_000.0, 51.0]), np.zeros(2), np.array([60.0, 60.0]))
    ['stock on hand over 10 times the largest demand of the days that an order is for', '']
    """
    found: list[list[str]] = [[] for _ in range(len(most))]
    for name, units in (("stock on hand", on_hand), ("what is under way", due)):
        for row in np.flatnonzero(units > MOST_DEMAND * most).tolist():
            found[row].append(name)
    over = f"over {MOST_DEMAND:g} times the largest demand of the days that an order is for"
    return [f"{' and '.join(names)} {over}" if names else "" for names in found]


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
    names: Sequence[str], views: NDArray[Any], usual_range: tuple[NDArray[Any], NDArray[Any]]
) -> list[str]:
    """Return in which respects each state lies outside of what was seen in training.

    Parameters
    ----------
    names : sequence of str
        Of the entries of a store's observation.
    views : ndarray
        The states as the stores see them, shape (rows, entries).
    usual_range : tuple of ndarray
        The least and the most in training, shape (entries,) each.

    Returns
    -------
    list of str
        A text per row, empty where nothing is unusual.

    Examples
    --------
    >>> import numpy as np
    >>> seen = np.array([[9.0, 0.0], [1.0, 1.0]])
    >>> unusual_entries(["on_hand", "pipeline_1"], seen, (np.zeros(2), np.ones(2)))
    ['stock on hand higher than in training', '']
    """
    low, high = (np.broadcast_to(one, views.shape[1:]) for one in usual_range)
    phrases = [_phrase(name) for name in names]
    outside = ~((low <= views) & (views <= high))
    outside[:, [phrase is None for phrase in phrases]] = False
    rows, found = np.flatnonzero(outside.any(axis=1)), [""] * len(views)
    if not rows.size:
        return found
    first: dict[
        str, NDArray[np.int64]
    ] = {}  # by text, the first entry of each row that it is about
    for entry, phrase in reversed(list(enumerate(phrases))):
        above = views[rows, entry] > high[entry]
        for way, here in (("higher", above), ("lower", ~above)):
            text = f"{phrase} {way} than in training"
            own = first.setdefault(text, np.full(rows.size, len(names)))
            own[outside[rows, entry] & here] = entry
    kinds, kind = np.unique(np.stack(list(first.values())), axis=1, return_inverse=True)
    texts = []
    for entries in kinds.T.tolist():
        in_order = sorted(zip(entries, first, strict=True))
        texts.append(", ".join(text for entry, text in in_order if entry < len(names)))
    for row, number in zip(rows.tolist(), kind.reshape(-1).tolist(), strict=True):
        found[row] = texts[number]
    return found
