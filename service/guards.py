"""When the rule orders in the policy's place, and what a planner must look at first."""

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from commands.order_checks import OrderLimits
from commands.orders import Advice, Decider

STOCKOUT, OVERSTOCK, LIMIT = "stockout", "overstock", "limit"
UNUSUAL, DRIFT, STALE = "unusual", "drift", "stale"
EXCEPTIONS = STOCKOUT, LIMIT, UNUSUAL, DRIFT, STALE, OVERSTOCK
"""In the order in which a page shows them."""

LIKELY = 0.5
"""From this chance on, to run out is an exception."""

LONG_COVER = 4.0
"""So many times the days that an order is for, stock is overstock."""


@dataclass(frozen=True)
class Guards:
    """Limits, none of which a policy can talk itself out of.

    Attributes
    ----------
    max_order, max_value, max_multiple
        As of `OrderLimits`.
    max_day_value : float or None
        Most money of all orders of a day, by the prices in the state.
    max_age : int
        Days, or whole periods of the demand file, by which the morning may lie before today.
    """

    max_order: float | None = None
    max_value: float | None = None
    max_multiple: float = 5.0
    max_day_value: float | None = None
    max_age: int = 2

    def to_dict(self) -> dict[str, Any]:
        """Return the limits as plain values."""
        return asdict(self)

    @property
    def limits(self) -> OrderLimits:
        """Those of a single order."""
        return OrderLimits(self.max_order, self.max_value, self.max_multiple)


@dataclass(frozen=True)
class Guarded:
    """Orders after the guards; every list has an entry per row.

    Attributes
    ----------
    quantities : list of float
        What is proposed [units].
    sources : list of str
        ``policy`` or ``rule``.
    held_back : list of str
        Why the policy's order is not proposed, or empty.
    limited : list of bool
        Whether that is something about the order, and not about all of them.
    """

    quantities: list[float]
    sources: list[str]
    held_back: list[str]
    limited: list[bool]


def guard(
    decider: Decider, advice: Advice, guards: Guards, *, today: dt.date, failure: str = ""
) -> Guarded:
    """Return what is proposed: the policy's orders, or the rule's where something speaks against.

    Where not even the rule's keeps the limits of an order, or of the day, nothing is ordered, and
    it is said; nor is what sells no more.

    Parameters
    ----------
    decider, advice
        Who decides, and what it would order.
    guards : Guards
        The limits.
    today : date
        The present day.
    failure : str
        Why no order of the policy can be trusted today, if so.
    """
    price = advice.morning.now.price
    for_all = [failure] if failure else []
    if guards.max_value is not None and price is None:
        guards = Guards(**{**guards.to_dict(), "max_value": None})
        for_all.append("the state has no prices to hold against the limit of value")
    age, period = periods_old(decider, advice.morning.day, today), decider.known.table.period
    if age > guards.max_age:
        for_all.append(f"the state is {age} {period}s old, {guards.max_age} are allowed")
    if guards.max_day_value is not None and price is None:
        for_all.append("the state has no prices to hold against the limit of the day's value")
    for_all += _day_value(advice.asked, price, guards.max_day_value)
    quantities, sources, held_back, limited = [], [], [], []
    by_rule = advice.by_rule.tolist()
    every = zip(advice.asked.tolist(), decider.doubts(advice, guards.limits), strict=True)
    for row, (asked, own) in enumerate(every):
        doubts = for_all + own
        quantity = by_rule[row] if doubts else asked
        if row in advice.morning.today.last_sales:
            quantity = 0.0
        if doubts and (why := _over(quantity, row, advice, guards)):
            quantity = 0.0
            own.append(why)
            doubts.append(f"the rule's order too is {why}: nothing is ordered")
        quantities.append(round(quantity, 2))
        sources.append("rule" if doubts else "policy")
        held_back.append("; ".join(doubts))
        limited.append(len(own) > len(decider.faults))
    if over := _day_value(np.array(quantities), price, guards.max_day_value):
        quantities, sources = [0.0] * len(quantities), ["rule"] * len(quantities)
        too = f"{over[0]}, with the rule's in place of those held back: nothing is ordered"
        held_back = [f"{why}; {too}" if why else too for why in held_back]
    return Guarded(quantities, sources, held_back, limited)


def periods_old(decider: Decider, morning: dt.date, today: dt.date) -> int:
    """Return how many days, or whole weeks or months where the file has those, have passed."""
    return decider.known.table.periods.passed(morning, today)


def _day_value(quantities: Any, price: Any, most: float | None) -> list[str]:
    """Return by how much orders are worth more than those of a day may be, if they are."""
    if price is None or most is None:
        return []
    value = float((quantities * price).sum())
    return [f"the day's orders are worth {value:,.0f}, at most {most:,.0f}"] if value > most else []


def _over(quantity: float, row: int, advice: Advice, guards: Guards) -> str:
    price = advice.morning.now.price
    if guards.max_order is not None and quantity > guards.max_order:
        return f"{quantity:,.0f} units"
    if guards.max_value is not None and price is not None:
        value = quantity * float(price[row])
        if value > guards.max_value:
            return f"worth {value:,.0f}"
    return ""


def exceptions_of(row: dict[str, Any], *, days: int, known: dict[str, bool]) -> list[str]:
    """Return what a planner must look at, of an order.

    Parameters
    ----------
    row : dict
        Columns of the table of orders; where `stockout_after` is None, it is not known what the
        order leads to.
    days : int
        That the order is for.
    known : dict
        Whether it is of those that other columns do not tell.
    """
    cover, after = row["days_of_cover"], row["stockout_after"]
    long = cover is None or cover > LONG_COVER * max(days, 1)
    found = {
        STOCKOUT: max(row["stockout_before"], after or 0.0) >= LIKELY,
        UNUSUAL: bool(row["unusual"]),
        OVERSTOCK: long and after is not None and row["on_hand"] > 0,
        **known,
    }
    return [name for name in EXCEPTIONS if found[name]]


def finite(advice: Advice) -> bool:
    """Return whether every order is a number."""
    return bool(np.isfinite(advice.asked).all() and np.isfinite(advice.by_rule).all())
