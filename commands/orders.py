"""Today's orders: what a trained policy does in the present state, and how sure it may be."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents import run_files, run_folder
from agents.config import RunConfig
from agents.tuned_file import TunedFile
from baselines.policy import Policy
from baselines.registry import baseline_kinds, make_baselines
from baselines.rollout import rollout
from commands.checkpoints import print_changed_data, training_failure
from commands.order_checks import OrderLimits, unusual_entries
from commands.stock_database import Database
from commands.stock_state import StockState, read_state
from common.console import screen
from common.errors import InputError, choose, short
from demand.history import KNOWN_DAYS, KnownDemand, StoreHistory
from demand.reader import read_demand
from demand.table import DemandTable
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.sites import StoreParameters
from training.learners import load_agent
from training.policy import observation_range

Floats = NDArray[np.float64]
SELECTION_EPISODES = 200
MARGIN = 0.05
"""Share of the range seen in training by which a state may lie outside of it."""

QUIET_WEEK = 0.5
"""What is on offer is a multiple of at least this share of the mean of `KNOWN_DAYS` days."""


def decide(
    checkpoint: str,
    state: Path | Database,
    *,
    history: Path | None = None,
    date: dt.date | None = None,
    baseline: str | None = None,
    limits: OrderLimits | None = None,
) -> list[dict[str, Any]]:
    """Return today's orders, a row per store and SKU of the state.

    Parameters
    ----------
    checkpoint : str
        A run folder, trained on demand of a file.
    state : Path or Database
        Stock, orders under way and possibly recent demand: see `commands.stock_state` and
        `commands.stock_database`.
    history : Path, optional
        A demand file of the same stores and SKUs with the days before `date`; by default that of
        the run, where the state has no recent demand.
    date : date, optional
        The day that is decided on; by default that of the state, else the one after the last with
        known demand, or today.
    baseline : str, optional
        The rule to name besides; by default the best on the run's selection period.
    limits : OrderLimits, optional
        Which orders are held back; by default the usual ones.

    Returns
    -------
    list of dict
        ``date``, ``store``, ``sku``, ``quantity`` [units, whole where the run's demand is; None
        where it is held back], ``days_of_cover`` (stock, orders under way and this one over the
        mean demand expected in the coming week, None if that is 0), ``stockout_before`` and
        ``stockout_after`` (chances before today's order can arrive, and from then until that of the
        next day of review can: from the errors that forecasts had on training days, on this state),
        ``baseline`` and ``baseline_quantity``, ``unusual``: what the policy never saw the like of
        in training, and ``held_back``: why an order is; empty if nothing.
    """
    home, run, policy = _load(checkpoint)
    limits = limits or OrderLimits()
    known: StoreHistory = run.parameters.history
    if isinstance(state, Database):
        now = state.read_state(known, date, demand=history is None)
    else:
        now = read_state(state, known)
    recent, day = _recent(now, known, history, date)
    due = now.due(day, run.parameters.lanes()[0].store.lead_time)
    batch, rows = _batch(run, now, due, (recent, day))
    places = [(rows[row], store) for row, (_, store) in enumerate(now.places)]
    asked = _orders(batch, policy, now.places, places)
    name, rule, worse = _rule(run, policy, baseline, TunedFile(home / run_files.TUNED))
    theirs = _orders(batch, rule, now.places, places)
    run_faults = [fault for fault in (training_failure(home), worse) if fault]
    usual_range, gaps = _usual_range(home, run, policy), batch.review_gap()
    views = batch.by_tier(batch.observation())["store"]
    names = batch.observation_names["store"]
    out = []
    for row, (sku, store) in enumerate(now.places):
        at = places[row]
        order, gap = float(asked[row]), int(gaps[at[0]])
        before, after = _stockouts(
            *(_past(batch), known, (sku, *at), gap), (now.on_hand[row], due[row]), order
        )
        daily = float(_past(batch).same_weekday(0, 7)[(slice(None), *at)].mean())
        held_back = run_faults + limits.faults(
            order,
            rule=float(theirs[row]),
            usual=daily * gap,
            price=None if now.price is None else float(now.price[row]),
            demand=float(recent[row].max()),
            known=known.training[:, sku, store],
        )
        refused = bool(held_back) and not limits.allow
        position = batch.sites["on_hand"][at] + batch.pipelines[at].sum() + order
        out.append(
            {
                "date": day.isoformat(),
                "store": known.table.stores[store],
                "sku": known.table.skus[sku],
                "quantity": None if refused else round(order, 2),
                "days_of_cover": round(float(position) / daily, 1) if daily > 0 else None,
                "stockout_before": before,
                "stockout_after": after,
                "baseline": name,
                "baseline_quantity": round(float(theirs[row]), 2),
                "unusual": unusual_entries(names, views[at], usual_range),
                "held_back": "; ".join(held_back) if refused else "",
            }
        )
    return out


def _load(checkpoint: str) -> tuple[Path, RunConfig, Policy]:
    """Return the run's folder, its configuration and its policy."""
    folder, name = run_folder.find(checkpoint)
    run, policy = load_agent(folder, name)
    if getattr(run.parameters, "history", None) is None:
        raise InputError(
            f"{folder}: was not trained on stores with demand of a file; train one with --demand"
        )
    print_changed_data(folder, run)
    return run_folder.root_of(folder, checkpoint), run, policy


def _recent(
    now: StockState, known: StoreHistory, file: Path | None, date: dt.date | None
) -> tuple[Floats, dt.date]:
    """Return the demand known, shape (rows, `KNOWN_DAYS`), and the day that is decided on."""
    if now.recent is not None and file is None:
        return now.recent, date or now.day or dt.date.today()
    table = known.table
    if file is not None:
        table = read_demand(known.source.model_copy(update={"file": file}))
    day = date or table.last_day + dt.timedelta(days=1)
    if date is None and (
        now.day not in (None, day) or (now.written is not None and now.written < table.last_day)
    ):
        raise InputError(
            f"the state is of {now.day or now.written}, and {table.name} has demand up to "
            f"{table.last_day}; give the state of the morning after, or say --date"
        )
    end = (day - table.first_day).days
    if not KNOWN_DAYS <= end <= table.days:
        raise InputError(
            f"{table.name}: {KNOWN_DAYS} days before {day} are needed, and it has "
            f"{table.first_day} to {table.last_day}; name a file with --history, or give d1 to d7 "
            "in the state"
        )
    last = table.demand[end - KNOWN_DAYS : end]
    places = [_place(table, known, sku, store) for sku, store in now.places]
    return np.stack([last[:, k, n] for k, n in places]), day


def _place(table: DemandTable, known: StoreHistory, sku: int, store: int) -> tuple[int, int]:
    """Return where a demand file has a SKU and store of the run's."""
    what, where = known.table.skus[sku], known.table.stores[store]
    choose(f"store in {table.name}", where, table.stores)
    choose(f"SKU in {table.name}", what, table.skus)
    return table.skus.index(what), table.stores.index(where)


def _batch(
    run: RunConfig, now: StockState, due: Floats, recent: tuple[Floats, dt.date]
) -> tuple[SupplyChainBatch, list[int]]:
    """Return worlds in the present state, one per SKU, and each row's world.

    Stores that the state leaves out have an empty shop and their mean demand.
    """
    p, (past, day) = run.parameters, recent
    skus = sorted({sku for sku, _ in now.places})
    rows = [skus.index(sku) for sku, _ in now.places]
    batch = SupplyChainBatch(
        p, len(skus), split="evaluation", observe_step=run.settings.observation.step
    )
    shape = (len(skus), KNOWN_DAYS, p.num_stores)
    before = np.broadcast_to(p.mean_demand()[skus][:, None], shape).copy()
    for row, (_, store) in enumerate(now.places):
        before[rows[row], :, store] = past[row]
    batch.reset(
        {
            "demand": np.zeros((len(skus), p.horizon, p.num_stores)),
            "supplier_ok": np.ones((len(skus), p.horizon), np.bool_),
            "sku": np.array(skus),
            "past": before,
            "start": np.full(len(skus), day.toordinal()),
        }
    )
    offered = batch.sites["forecast"]
    batch.sites["forecast"] = np.maximum(offered, QUIET_WEEK * _past(batch).level)
    batch.sites["on_hand"] = 0.0
    for row, (_, store) in enumerate(now.places):
        batch.sites["on_hand"][rows[row], store] = now.on_hand[row]
        batch.pipelines[rows[row], store, : due.shape[1]] = due[row]
    _set_ages(batch, now, rows)
    return batch, rows


def _set_ages(batch: SupplyChainBatch, now: StockState, rows: list[int]) -> None:
    """Put in the stock by age; where the state does not tell it, take it evenly and say so."""
    p = batch.parameters
    lives = [p.lanes()[sku].store.shelf_life or 0 for sku, _ in now.places]
    table = p.history.table if p.history is not None else None
    labels = [
        f"the state, store {short(table.stores[store])}, sku {short(table.skus[sku])}"
        for sku, store in now.places
        if table is not None
    ]
    ages = now.by_age(lives, labels)
    batch.age_evenly()
    if ages is None:
        if any(lives):
            told = "the state has no expires_1 ...: stock is taken to be of all ages alike"
            screen.print(told, soft_wrap=True)
        return
    for row, (_, store) in enumerate(now.places):
        batch.ages[rows[row], store, : ages.shape[1]] = ages[row]


def _orders(
    batch: SupplyChainBatch,
    policy: Policy,
    of: list[tuple[int, int]],
    places: list[tuple[int, int]],
) -> Floats:
    """Return what a policy orders in the state of the batch, a row per store and SKU [units].

    Parameters
    ----------
    batch, policy
        What it sees, and who orders.
    of, places : list of tuple
        SKU and store, and world and store, of every row.
    """
    policy.bind(batch)
    start = np.ones(batch.num_worlds, np.bool_)
    actions = np.asarray(policy.predict(batch.observation(), None, start)[0])
    chosen = actions.reshape(batch.num_worlds, -1)[:, : batch.num_stores]
    orders = np.take_along_axis(batch.store_orders(), chosen[..., None], axis=2)[..., 0]
    values = np.array([orders[at] for at in places])
    history = batch.parameters.history
    if history is None or (history.table.demand % 1).any():
        return values
    lanes = batch.parameters.lanes()
    return np.array([_whole(x, lanes[sku].store) for x, (sku, _) in zip(values, of, strict=True)])


def _whole(order: float, store: StoreParameters) -> float:
    """Return the nearest whole quantity that the store may order."""
    if store.order_multiple is not None:
        return order
    whole = np.floor(order) if np.isfinite(store.shelf_capacity) else np.floor(order + 0.5)
    return float(whole if whole >= store.least_order or whole == 0 else np.ceil(order))


def _rule(
    run: RunConfig, policy: Policy, name: str | None, tuner: TunedFile
) -> tuple[str, Policy, str]:
    """Return the rule asked for, or the one that does best on the selection period.

    Returns
    -------
    name, rule, worse : str, Policy, str
        The last says by how much the policy does worse than the rule there, if it does.
    """
    kinds = baseline_kinds("stores", run.parameters).items()
    names = [rule for rule, kind in kinds if kind.role != "random" and not kind.any_quantity]
    if name is not None:
        choose("baseline", name, names)
    made = make_baselines("stores", run.parameters, names if name is None else [name], tuner=tuner)
    trace = run.problem.traces(run.parameters, "validation", 0, SELECTION_EPISODES)

    def score(player: Policy) -> float:
        step = run.settings.observation.step
        played = rollout(run.problem, run.parameters, player, trace, observe_step=step)
        return float(played["return"].mean())

    scores = {rule: score(player) for rule, player in made.items()}
    best = max(scores, key=lambda rule: scores[rule])
    own = score(policy)
    worse = f"the agent earns {own:,.1f} on the selection period, {best} {scores[best]:,.1f}"
    return best, made[best], worse if own < scores[best] else ""


def _usual_range(home: Path, run: RunConfig, policy: Policy) -> tuple[Floats, Floats]:
    """Return the least and the most of each entry that is nothing unusual."""
    low, high = observation_range(run_folder.last_phase(home), run, policy)
    room = MARGIN * (high - low) + 1e-6
    return low - room, high + room


def _past(batch: SupplyChainBatch) -> KnownDemand:
    if batch.past is None:
        raise TypeError("a batch without demand of a file")
    return batch.past


def _stockouts(
    past: KnownDemand,
    known: StoreHistory,
    place: tuple[int, int, int],
    gap: int,
    stock: tuple[float, Floats],
    order: float,
) -> tuple[float, float]:
    """Return the shares of the training days' forecast errors that would empty the store.

    Parameters
    ----------
    past : KnownDemand
        What is known of the demand.
    known : StoreHistory
        The training days.
    place : tuple of int
        SKU, world and store.
    gap : int
        Days to the next day of review.
    stock : tuple
        On hand [units], and what arrives in 1, 2 ... mornings, shape (lead time,) [units].
    order : float
        Today's [units].

    Returns
    -------
    before, after : float
        Before the order can arrive, and from then until the next one can.
    """
    sku, world, store = place
    on_hand, due = stock
    count = len(due) + gap
    expected = past.same_weekday(0, count)[:, world, store]
    days = known.training[:, sku, store]
    first = np.arange(KNOWN_DAYS, len(days) - count + 1)
    ahead = first[:, None] + np.arange(count)
    weeks = 1 + np.arange(count) // 7
    before = range(max(1, 4 - int(weeks.max()) + 1))
    usual = np.mean([days[ahead - 7 * (weeks + m)] for m in before], axis=0)
    demand = expected * days[ahead] / np.maximum(usual, 1e-9 + 0.05 * known.mean[sku, store])
    arriving = np.concatenate([[on_hand], due, np.zeros(gap)])
    arriving[len(due)] += order
    left, short = np.zeros(len(first)), np.zeros((count, len(first)), np.bool_)
    for j in range(count):
        left += arriving[j]
        short[j] = demand[:, j] > left
        left = np.maximum(left - demand[:, j], 0.0)
    early, late = short[: len(due)].any(axis=0), short[len(due) :].any(axis=0)
    return round(float(early.mean()), 3), round(float(late.mean()), 3)
