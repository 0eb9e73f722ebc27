"""Traces of the supply chain: all randomness of a batch of episodes, and the demand before them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from common.random_streams import Split
from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS
from demand.laws import draw_demand
from envs.batch import NOT_MEMORYLESS, Futures, Trace
from envs.supply_chain.parameters import SupplyChainParameters

Floats = NDArray[np.float64]
MAX_VALUES_HELD = 200_000_000
"""Most numbers of traces that may be held in memory at once, 8 bytes each."""

SPREAD_DAYS = 8
"""Days whose demand is spread evenly over its law in roll-outs; later ones are drawn at random."""
MAX_DIMENSIONS = 21_201
"""Most dimensions (days times stores) of a Sobol net."""
LEAST_SHARE = 1e-9
"""Share of the law below its least point, and above its largest one."""


def check_room(episodes: int, p: SupplyChainParameters) -> None:
    """Refuse more randomness than may be held in memory at once.

    Raises
    ------
    InputError
        If there are too many store-days in all.
    """
    if episodes * p.horizon * (p.num_stores + 1) > MAX_VALUES_HELD:
        raise InputError(
            f"{episodes:,} episodes of {p.horizon:,} days and {p.num_stores:,} stores are too many "
            "to hold at once; reduce n_envs, episodes, horizon or stores"
        )


def draw_trace(
    parameters: SupplyChainParameters,
    rng: np.random.Generator,
    episodes: int,
    split: Split = "training",
) -> Trace:
    """Draw the randomness of `episodes` episodes; episode e is about SKU ``e % number of SKUs``.

    Demand from a file is that of the period of `split`; its SKUs come in random order, each
    equally often.

    Returns
    -------
    dict
        ``demand``, shape (episodes, T, N) [units/day]; ``supplier_ok``, shape (episodes, T), bool;
        ``sku``, shape (episodes,), index of the SKU. With demand of a file also ``past``, shape
        (episodes, `KNOWN_DAYS`, N), the days known before [units/day], and ``start``, shape
        (episodes,), the ordinal of the first day.
    """
    p = parameters
    check_room(episodes, p)
    if p.history is not None:
        order = rng.permutation(len(p.sku))
        drawn_skus = order[np.arange(episodes) % len(p.sku)]
        return _of_history(p, rng, drawn_skus, *p.history.draw(split, rng, drawn_skus, p.horizon))
    lane_of = np.arange(episodes) % len(p.sku)
    means, stds = p.demand_moments()
    demand = np.empty((p.horizon, episodes, p.num_stores))  # day by day: as the batch reads it
    for k, sku in enumerate(p.sku):
        count = len(range(k, episodes, len(p.sku)))
        mean, std = means[k][:, None, :], stds[k][:, None, :]
        shape = (p.horizon, count, p.num_stores)
        drawn = draw_demand(rng, sku.demand_model, mean, std, shape)
        if len(p.sku) == 1:
            demand = drawn
        else:
            demand[:, k :: len(p.sku)] = drawn
    reliability = np.array([lane.supplier.reliability for lane in p.lanes()])[lane_of]
    works = rng.random((p.horizon, episodes)) < reliability
    return {"demand": demand.swapaxes(0, 1), "supplier_ok": works.T, "sku": lane_of}


def empty_trace(parameters: SupplyChainParameters, episodes: int) -> Trace:
    """Return a trace without demand; with a file, the demand known before is its mean."""
    p = parameters
    return {
        "demand": np.zeros((episodes, p.horizon, p.num_stores)),
        "supplier_ok": np.ones((episodes, p.horizon), np.bool_),
        "sku": np.arange(episodes) % len(p.sku),
    }


def draw_futures(
    p: SupplyChainParameters,
    futures: Futures,
    sku: NDArray[np.int64],
    start: NDArray[np.int64],
    split: Split,
    day: int,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Draw what copies of worlds are going to meet; days that have passed are never read.

    Days of a file are drawn anew where `split` resamples them.

    Parameters
    ----------
    p : SupplyChainParameters
        Their parameters.
    futures : Futures
        Which of them meet the same future.
    sku, start : ndarray
        Each copy's SKU and, with a file, the ordinal of its first day, shape (copies,).
    split : str
        Split of the episodes.
    day : int
        The first day of the future.

    Returns
    -------
    demand, works : ndarray
        Day by day: demand [units/day], shape (T, copies, N), and whether the supplier worked the
        day before, shape (T + 1, copies).

    Raises
    ------
    InputError
        If demand comes from a file whose days are played as they were.
    """
    if p.demand_data is not None and not p.is_resampled(split):
        raise InputError(NOT_MEMORYLESS)
    if p.history is None:
        drawn = draw_trace(p, futures.rng, futures.different * len(p.sku), split)
        _spread(p, futures, drawn["demand"], day)
        episode = futures.of * len(p.sku) + sku  # episode e is about SKU e % number of SKUs
    else:
        drawn, episode = _days_anew(p, p.history, futures, sku, start), futures.of
    works = np.ones((p.horizon + 1, len(episode)), np.bool_)
    works[1:] = np.take(drawn["supplier_ok"].T, episode, axis=1)
    return np.take(drawn["demand"].swapaxes(0, 1), episode, axis=1), works


def _spread(p: SupplyChainParameters, futures: Futures, demand: Floats, day: int) -> None:
    """Spread the next days' normal demand evenly over its law, in place.

    The paths of a group are a Sobol net with a random shift of its own. Stockouts are rare and
    expensive: most groups of 48 random paths hold none of them, or too many.

    Parameters
    ----------
    p : SupplyChainParameters
        Parameters of the copies.
    futures : Futures
        Which paths form a group.
    demand : ndarray
        Random demand, shape (episodes, T, N) [units/day].
    day : int
        The first day of the future.

    References
    ----------
    Cranley and Patterson (1976), Randomization of number theoretic methods for multiple
    integration, SIAM Journal on Numerical Analysis 13(6).
    """
    days = min(SPREAD_DAYS, p.horizon - day, MAX_DIMENSIONS // p.num_stores)
    normal = [k for k, sku in enumerate(p.sku) if sku.demand_model == "normal"]
    if futures.paths == 1 or days < 1 or not normal:
        return
    from scipy import special  # here: only roll-outs need them
    from scipy.stats import qmc

    net = qmc.Sobol(days * p.num_stores, scramble=False)
    points = net.random_base2((futures.paths - 1).bit_length())[: futures.paths]
    groups = -(-futures.different // futures.paths)
    shifts = futures.rng.random((groups, 1, points.shape[1]))
    shares = np.clip((points + shifts) % 1.0, LEAST_SHARE, 1.0 - LEAST_SHARE)
    shape = (groups * futures.paths, days, p.num_stores)
    shocks = special.ndtri(shares).reshape(shape)[: futures.different]
    means, stds = p.demand_moments()
    coming = slice(day, day + days)
    for k in normal:
        drawn = means[k][coming] + stds[k][coming] * shocks
        demand[k :: len(p.sku), coming] = np.maximum(drawn, 0.0)


def _days_anew(
    p: SupplyChainParameters,
    history: StoreHistory,
    futures: Futures,
    sku: NDArray[np.int64],
    start: NDArray[np.int64],
) -> Trace:
    """Return an episode of resampled days for every future, all of one start day and SKU."""
    _, first = np.unique(futures.of, return_index=True)
    if (start != start[first][futures.of]).any() or (sku != sku[first][futures.of]).any():
        raise ValueError("copies that meet the same days must be of the same day and SKU")
    begins = start[first] - history.table.first_day.toordinal()
    days = begins[:, None] + np.arange(p.horizon)
    reliable = p.lanes()[0].supplier.reliability
    return {
        "demand": history.resampled.bootstrap(futures.rng, days, sku[first]),
        "supplier_ok": futures.rng.random((first.size, p.horizon)) < reliable,
    }


def _of_history(
    p: SupplyChainParameters,
    rng: np.random.Generator,
    sku: NDArray[np.int64],
    days: Floats,
    start: NDArray[np.int64],
) -> Trace:
    """Return the trace of episodes of a file's days, with drawn failures of the supplier."""
    reliable = p.sku[0].supplier.get("reliability", p.supplier.reliability)  # the same for all
    return {
        "demand": days[:, KNOWN_DAYS:],
        "supplier_ok": rng.random((len(days), p.horizon)) < reliable,
        "sku": sku,
        "past": days[:, :KNOWN_DAYS],
        "start": start,
    }


def every_window(
    parameters: SupplyChainParameters, rng: np.random.Generator, split: Split
) -> Trace | None:
    """Return an episode of every SKU on every start day of `split`, None without a file.

    The trace is like that of `draw_trace`; `count_windows` returns its number of episodes.
    """
    p = parameters
    if p.history is None:
        return None
    starts, skus = p.history.starts(split, p.horizon), len(p.sku)
    start = np.repeat(np.arange(starts.start, starts.stop), skus)
    sku = np.tile(np.arange(skus), len(starts))
    check_room(start.size, p)
    return _of_history(p, rng, sku, *p.history.episodes(split, rng, start, sku, p.horizon))


def whole_period(
    parameters: SupplyChainParameters, rng: np.random.Generator, split: Split, before: int
) -> Trace:
    """Return one episode of every SKU: all days of `split`, and some days before it.

    Parameters
    ----------
    parameters : SupplyChainParameters
        Parameters with demand from a file; the horizon spans all these days.
    rng : numpy.random.Generator
        Generator of the supplier's failures.
    split, before : str, int
        The period, and the number of days that are played before it.
    """
    p = parameters
    if p.history is None:
        raise InputError("whole_period: demand comes from no file; set demand_data")
    sku = np.arange(len(p.sku))
    check_room(sku.size, p)
    start = np.full(sku.size, p.history.starts(split, 1).start - before)
    return _of_history(p, rng, sku, *p.history.episodes(split, rng, start, sku, p.horizon))


def count_windows(parameters: SupplyChainParameters, split: Split) -> float:
    """Return how many episodes `every_window` has, infinitely many without a file."""
    if parameters.history is None:
        return np.inf
    return len(parameters.history.starts(split, parameters.horizon)) * len(parameters.sku)


def check_trace(trace: Mapping[str, Any], parameters: SupplyChainParameters) -> Trace:
    """Return a trace from outside as arrays with a leading axis of episodes.

    A trace of a single episode, without that axis, is accepted too; so is one without ``sku``.

    Raises
    ------
    InputError
        If a part is missing, unknown, of a wrong shape, not finite or out of range.
    """
    p = parameters
    if not isinstance(trace, Mapping):
        raise InputError(f"trace must be a mapping of arrays, not {type(trace).__name__}")
    if p.history is not None and "past" in trace:
        return _check_past(trace, p)
    wrong = sorted({"demand", "supplier_ok"} ^ (set(trace) - {"sku"}), key=str)
    if wrong:
        raise InputError(f"trace must have demand and supplier_ok; check {wrong[0]!r}")
    try:
        demand = np.asarray(trace["demand"], np.float64)
        works = np.asarray(trace["supplier_ok"])
        sku = np.asarray(trace["sku"]) if "sku" in trace else None
    except (OverflowError, TypeError, ValueError):
        raise InputError("trace must hold arrays of numbers") from None
    single = demand.ndim != 3
    lead = (1,) if single else (len(demand),)
    sku = np.arange(lead[0]) % len(p.sku) if sku is None else sku
    axes = () if single else lead
    shapes = {
        "demand": (demand, (*axes, p.horizon, p.num_stores)),
        "supplier_ok": (works, (*axes, p.horizon)),
        "sku": (sku.reshape(lead) if sku.size == 1 and single else sku, lead),
    }
    for name, (values, shape) in shapes.items():
        if values.shape != shape:
            raise InputError(f"trace {name!r} has shape {np.shape(trace[name])}, not {shape}")
    if not np.isfinite(demand).all() or (demand < 0).any():
        raise InputError("trace 'demand' must be finite and at least 0.0")
    if works.dtype != np.bool_ and not np.isin(works, (0, 1)).all():
        raise InputError("trace 'supplier_ok' must hold true and false")
    if not np.isin(sku, np.arange(len(p.sku))).all():
        raise InputError(f"trace 'sku' must hold indices from 0 to {len(p.sku) - 1}")
    return {
        "demand": demand.reshape(*lead, p.horizon, p.num_stores),
        "supplier_ok": works.astype(np.bool_).reshape(*lead, p.horizon),
        "sku": sku.astype(np.int64).reshape(lead),
    }


def _check_past(trace: Mapping[str, Any], p: SupplyChainParameters) -> Trace:
    """Return a trace with the days known before it; a leading axis of episodes is needed."""
    rest = check_trace({k: v for k, v in trace.items() if k not in ("past", "start")}, p)
    episodes = len(rest["demand"])
    try:
        past = np.asarray(trace["past"], np.float64).reshape(episodes, KNOWN_DAYS, p.num_stores)
        start = np.asarray(trace.get("start", 1), np.int64)
        rest |= {"past": past, "start": np.broadcast_to(start.reshape(-1), (episodes,)).copy()}
    except (OverflowError, TypeError, ValueError):
        shape = (episodes, KNOWN_DAYS, p.num_stores)
        raise InputError(f"trace 'past' must be numbers of shape {shape}, 'start' days") from None
    if not np.isfinite(past).all() or (past < 0).any():
        raise InputError("trace 'past' must be finite and at least 0.0")
    return rest
