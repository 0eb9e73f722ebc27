"""Why an order is what it is: every number that it came from, and the stock that it leads to."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel

from commands.morning import Morning
from commands.orders import days_to_review
from common.errors import InputError
from envs.supply_chain.sites import StoreParameters
from service.decisions import Decisions, leads_to
from service.guards import DRIFT, LIMIT, STALE, exceptions_of
from service.policies import Policies
from service.store.order_book import PLANNER

DAYS_AHEAD = 14
BAND = (0.1, 0.5, 0.9)
ROUNDED = 0.005
"""By so much a quantity may be off for being rounded [units]."""


class Projected(BaseModel):
    """Stock at the end of a period [units]: in nine of ten futures it is above `low`."""

    date: dt.date
    low: float
    median: float
    high: float


class KnownDay(BaseModel):
    """What is known ahead of a period, by column."""

    date: dt.date
    said: dict[str, str]


class Explanation(BaseModel):
    """The numbers behind an order.

    Attributes
    ----------
    period : str
        What the demand file has a row for, day, week or month: the time in all that follows.
    due : list
        What arrives in a period, in two ... [units].
    position : float
        On hand and on order [units].
    protection_days : int
        Periods until the order of the next review arrives: what this order must last for.
    forecast : list
        Demand expected in these periods [units/period]; `needed` is their sum.
    level : float
        To what the order raises the position [units].
    known_ahead : list of KnownDay
        What is known of these periods, and counts for the policy.
    pack, minimum_order, shelf_capacity : float or None
        Limits of an order [units].
    notes : list of str
        Which of these limits the quantity does not keep that somebody gave the order.
    projected, projected_rule : list of Projected
        The coming periods under this order and no further one, and under the rule's.
    """

    order: int
    store: str
    sku: str
    date: dt.date
    period: str
    arrives: dt.date
    status: str
    quantity: float
    source: str
    reason: str
    asked: float
    rule: str
    rule_quantity: float
    held_back: str
    unusual: str
    on_hand: float
    on_order: float
    due: list[float]
    position: float
    lead_time: int
    review_days: int
    protection_days: int
    forecast: list[float]
    needed: float
    level: float
    known_ahead: list[KnownDay]
    stockout_before: float
    stockout_after: float | None
    pack: float | None
    minimum_order: float | None
    shelf_capacity: float | None
    notes: list[str]
    projected: list[Projected]
    projected_rule: list[Projected]


def explain(decisions: Decisions, policies: Policies, order: Mapping[str, Any]) -> Explanation:
    """Return the numbers behind an order, from the state that it was decided in.

    Raises
    ------
    InputError
        If the decision is no longer kept.
    """
    morning = morning_of(decisions, policies, order)
    store = _store_of(morning)
    gap = int(days_to_review(morning)[0])
    days = store.lead_time + gap
    forecast = _daily(morning, max(days, 1))
    position = order["on_hand"] + order["on_order"]
    shared = {
        name: order[name]
        for name in Explanation.model_fields
        if name in order and name != "forecast"  # the order's is of a mean day
    }
    return Explanation(
        **shared,
        period=policies.champion.decider.known.table.period,
        order=order["id"],
        due=[round(float(x), 2) for x in morning.due[0]],
        position=round(position, 2),
        lead_time=store.lead_time,
        review_days=gap,
        protection_days=days,
        forecast=forecast,
        needed=round(sum(forecast), 2),
        known_ahead=_known_ahead(morning, days),
        pack=store.order_multiple,
        minimum_order=store.minimum_order or None,
        shelf_capacity=store.shelf_capacity if np.isfinite(store.shelf_capacity) else None,
        notes=_notes(store, order),
        projected=_projected(morning, order["quantity"]),
        projected_rule=_projected(morning, order["rule_quantity"]),
    )


@dataclass(frozen=True)
class NewQuantity:
    """What becomes of an order that gets another quantity.

    Attributes
    ----------
    leads_to : dict
        Columns of the table of orders that follow from the quantity.
    notes : list of str
        Limits that it does not keep.
    """

    leads_to: dict[str, Any]
    notes: list[str]


def with_quantity(
    decisions: Decisions, policies: Policies, order: Mapping[str, Any], quantity: float
) -> NewQuantity:
    """Return what an order leads to with another quantity, from the state it was decided in.

    Where that state cannot be read any more only the level is known, and a note says why.

    Raises
    ------
    InputError
        If no policy is loaded yet.
    """
    champion, days = policies.champion, 0
    new: dict[str, Any] = {**order, "quantity": quantity, "source": PLANNER}
    new["level"] = round(order["on_hand"] + order["on_order"] + quantity, 2)
    new |= {"days_of_cover": None, "stockout_after": None}
    try:
        decision = decisions.find(order["decision"])
        morning = decisions.morning(champion, decision, order["row"])
    except InputError as error:
        notes = [f"what {_units(quantity)} units lead to is not known: {error}"]
    else:
        (after,) = leads_to(morning, [quantity])
        new |= {name: after[name] for name in ("days_of_cover", "stockout_after")}
        days = morning.due.shape[1] + int(days_to_review(morning)[0])
        notes = _notes(_store_of(morning), new)
    before = order["exceptions"].split(",")
    known = {name: name in before for name in (LIMIT, DRIFT, STALE)}  # whatever the quantity is
    new["exceptions"] = ",".join(exceptions_of(new, days=days, known=known))
    names = ("level", "days_of_cover", "stockout_after", "exceptions")
    return NewQuantity({name: new[name] for name in names}, notes)


def _store_of(morning: Morning) -> StoreParameters:
    """Return the parameters of the store and SKU of a morning with one row."""
    return morning.batch.parameters.store_at(*morning.now.places[0].tolist())


def _units(value: float) -> str:
    """Return a quantity with all of its digits."""
    return f"{value:,.12g}"


def _notes(store: StoreParameters, order: Mapping[str, Any]) -> list[str]:
    """Return which limits of a store a quantity does not keep that somebody gave an order."""
    quantity, pack = order["quantity"], store.order_multiple
    notes: list[str] = []
    if order["source"] != PLANNER or quantity == 0:
        return notes
    if pack is not None and abs(quantity - pack * round(quantity / pack)) > ROUNDED:
        notes.append(f"{_units(quantity)} units are no multiple of the pack, {_units(pack)}")
    if quantity < store.least_order - ROUNDED:
        notes.append(
            f"{_units(quantity)} units are less than the least order, {_units(store.least_order)}"
        )
    if order["level"] > store.shelf_capacity + ROUNDED:
        notes.append(
            f"{_units(quantity)} units raise the position to {_units(order['level'])}, and the "
            f"shelf holds {_units(store.shelf_capacity)}"
        )
    return notes


def forecast_of(
    decisions: Decisions, policies: Policies, order: Mapping[str, Any], days: int
) -> list[float]:
    """Return the demand expected from an order's day on [units/day]."""
    return _daily(morning_of(decisions, policies, order), days)


def morning_of(decisions: Decisions, policies: Policies, order: Mapping[str, Any]) -> Morning:
    """Return the morning of an order, with its own row alone."""
    decision = decisions.find(order["decision"])
    return decisions.morning(policies.champion, decision, order["row"])


def _known_ahead(morning: Morning, days: int) -> list[KnownDay]:
    """Return what is known of the days from the morning on, of those of which anything is."""
    known = morning.today.known_ahead
    if known is None:
        return []
    ((sku, store),) = morning.now.places.tolist()
    first = dt.date.fromordinal(morning.periods.ordinal(morning.day))  # periods count as days
    said = (known.said(first + dt.timedelta(days=n), sku, store) for n in range(days))
    found = zip(_dates(morning, days), said, strict=True)
    return [KnownDay(date=day, said=text) for day, text in found if text]


def _dates(morning: Morning, count: int) -> list[dt.date]:
    """Return the morning, and the dates on which the periods after it begin."""
    periods = morning.periods
    number = periods.number(morning.day)
    return [morning.day, *(periods.date(number + n) for n in range(1, count))]


def _daily(morning: Morning, days: int) -> list[float]:
    return [round(float(x), 2) for x in morning.expected(days)[:, 0]]


def _projected(morning: Morning, quantity: float) -> list[Projected]:
    left = morning.projected_stock(0, quantity, DAYS_AHEAD)
    if not left.shape[1]:
        return []
    low, median, high = np.quantile(left, BAND, axis=1).round(1)
    every = zip(_dates(morning, DAYS_AHEAD), low, median, high, strict=True)
    return [Projected(date=day, low=a, median=b, high=c) for day, a, b, c in every]
