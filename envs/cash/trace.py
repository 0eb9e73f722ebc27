"""Traces of the cash / raw / product problem: all randomness of a batch of episodes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from common.random_streams import normal
from demand.laws import DemandLaw, NormalDemand
from envs.batch import Trace
from envs.cash.dynamics import MIN_PRICE
from envs.cash.parameters import CashParameters
from envs.cash.price_history import HistoricalDemand

COVARIATES = (
    "total demand",
    "start price of raw material",
    "changes of the raw price",
    "start price of the product",
    "changes of the product price",
)
"""What the columns of `trace_covariates` mean."""

MAX_STEPS_HELD = 100_000_000
"""Most steps whose randomness may be held in memory at once, 24 bytes each."""


def check_room(episodes: int, steps: int) -> None:
    """Refuse more randomness than may be held in memory at once.

    Raises
    ------
    InputError
        If there are too many steps in all.
    """
    if episodes * steps > MAX_STEPS_HELD:
        raise InputError(
            f"{episodes:,} episodes of {steps:,} steps are too many to hold at once (at most "
            f"{MAX_STEPS_HELD:,} steps); reduce n_envs, episodes or max_steps"
        )


def draw_trace(
    parameters: CashParameters,
    law: DemandLaw,
    rng: np.random.Generator,
    episodes: int,
    room: Trace | None = None,
) -> Trace:
    """Draw the randomness of `episodes` episodes.

    Parameters
    ----------
    parameters : CashParameters
        Parameters of the episodes.
    law : DemandLaw
        What demand is drawn from.
    rng : numpy.random.Generator
        Generator of the randomness.
    episodes : int
        Number of episodes.
    room : dict, optional
        Arrays in Fortran order, with at least T steps, to draw demand and price changes into:
        allocating memory takes longer than drawing the numbers.

    Returns
    -------
    dict
        ``raw_price`` and ``product_price``, shape (episodes,): start prices [money/unit];
        ``demand``, shape (episodes, T + 1) [units/step], index 0 shown by the reset;
        ``raw_price_change`` and ``product_price_change``, shape (episodes, T) [money/unit].
    """
    check_room(episodes, parameters.max_steps)
    if isinstance(law, HistoricalDemand) and law.prices is not None:
        return law.draw_trace(rng, episodes, parameters.max_steps)
    p, steps, within = parameters, parameters.max_steps, room or {}

    def changes(name: str) -> NDArray[np.float64]:
        out = within[name].T[:steps] if name in within else None
        return normal(rng, 0.0, p.price_std, (steps, episodes), out=out).T

    demand = within["demand"][:, : steps + 1] if within else None
    return {  # drawn step by step, for all worlds at once: that is how the batch reads it
        "raw_price": normal(rng, p.raw_price_mean, p.price_std, (episodes,), MIN_PRICE),
        "product_price": normal(rng, p.product_price_mean, p.price_std, (episodes,), MIN_PRICE),
        "demand": law.draw(rng, episodes, steps + 1, demand),
        "raw_price_change": changes("raw_price_change"),
        "product_price_change": changes("product_price_change"),
    }


def check_trace(trace: Mapping[str, Any], steps: int) -> Trace:
    """Return a trace from outside as float64 arrays with a leading axis of episodes.

    A trace of a single episode, without that axis, is accepted too.

    Raises
    ------
    InputError
        If a part is missing, unknown, of a wrong shape, not finite, or a price or demand is out
        of range.
    """
    if not isinstance(trace, Mapping):
        raise InputError(f"trace must be a mapping of arrays, not {type(trace).__name__}")
    lengths = {
        "raw_price": 0,
        "product_price": 0,
        "demand": steps + 1,
        "raw_price_change": steps,
        "product_price_change": steps,
    }
    if set(trace) != set(lengths):
        wrong = sorted(set(trace) ^ set(lengths), key=str)
        raise InputError(f"trace must have exactly {', '.join(lengths)}; check {wrong[0]!r}")
    episodes: int | None = None
    arrays: Trace = {}
    for name, length in lengths.items():
        try:
            values = np.asarray(trace[name], dtype=np.float64)
        except (OverflowError, TypeError, ValueError):
            raise InputError(f"trace {name!r} must hold numbers") from None
        if values.ndim == (1 if length else 0):
            values = values[np.newaxis]
        episodes = values.shape[0] if episodes is None and values.ndim else episodes
        shape = (episodes, length) if length else (episodes,)
        if values.shape != shape:
            raise InputError(f"trace {name!r} has shape {np.shape(trace[name])}, not {shape}")
        low = {"demand": 0.0, "raw_price": MIN_PRICE, "product_price": MIN_PRICE}.get(name, -np.inf)
        if not np.isfinite(values).all() or (values < low).any():
            raise InputError(f"trace {name!r} must be finite and at least {low}")
        arrays[name] = values
    return arrays


def trace_covariates(parameters: CashParameters, trace: Trace) -> NDArray[np.float64]:
    """Return functions of the trace whose mean is known to be zero, as control variates.

    They are, each minus its mean: the total demand, and for raw material and product the start
    price and the sum of the price's changes, weighted by the steps that each still affects.

    Returns
    -------
    ndarray
        Shape (episodes, columns); no columns when demand comes from a file.
    """
    p, episodes = parameters, trace["raw_price"].size
    if p.demand_data is not None:
        return np.empty((episodes, 0))
    expected = NormalDemand(p.demand_mean, p.demand_std).expected
    columns = [trace["demand"][:, 1:].sum(axis=1) - expected * p.max_steps]
    weight = np.arange(p.max_steps, 0, -1) - 1.0
    for side, mean in (("raw", p.raw_price_mean), ("product", p.product_price_mean)):
        start = MIN_PRICE + NormalDemand(mean - MIN_PRICE, p.price_std).expected  # its own floor
        columns += [trace[f"{side}_price"] - start, trace[f"{side}_price_change"] @ weight]
    return np.stack(columns, axis=1)
