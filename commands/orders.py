"""Today's orders: what a trained policy does in the present state, and how sure it may be."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents import run_folder
from agents.config import RunConfig
from agents.tuned_file import TUNED_FILE, TunedFile
from baselines.policy import Policy
from baselines.registry import HISTORY_BASELINES, make_baselines
from baselines.rollout import rollout
from commands.stock_database import Database
from commands.stock_state import StockState, read_state
from common.errors import InputError, choose
from demand.history import KNOWN_DAYS, KnownDemand, StoreHistory
from demand.reader import read_demand
from demand.table import DemandTable
from envs.supply_chain.batch import SupplyChainBatch
from training.learners import load_agent

Floats = NDArray[np.float64]
SELECTION_EPISODES, SEEN_WORLDS = 200, 128
MARGIN = 0.05
"""Share of the range seen in training by which a state may lie outside of it."""


def decide(
    checkpoint: str,
    state: Path | Database,
    *,
    history: Path | None = None,
    date: dt.date | None = None,
    baseline: str | None = None,
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
        the run, where the state does not tell recent demand.
    date : date, optional
        The day that is decided on; by default that after the last one known, or today.
    baseline : str, optional
        The rule to name besides; by default the best on the run's selection period.

    Returns
    -------
    list of dict
        ``date``, ``store``, ``sku``, ``quantity`` [units], ``days_of_cover`` (stock, orders under
        way and this one over the mean demand expected in the coming week, None if that is 0),
        ``stockout_chance`` before the order of the next day of review can arrive (the errors that
        forecasts had on training days, on this state),
        ``baseline`` and ``baseline_quantity``, and ``unusual``: what the policy never saw the like
        of in training, empty if nothing.
    """
    home, run, policy = _load(checkpoint)
    known: StoreHistory = run.parameters.history
    lead_time = run.parameters.lanes()[0].store.lead_time
    if isinstance(state, Database):
        now = state.read_state(known, date, demand=history is None)
    else:
        now = read_state(state, known)
    recent, day = _recent(now, known, history, date)
    due = now.due(day, lead_time)
    batch, rows = _batch(run, now, due, (recent, day))
    asked = _orders(batch, policy)
    name, rule = _rule(run, baseline, TunedFile(home / TUNED_FILE))
    theirs = _orders(batch, rule)
    names = batch.observation_names["store"]
    seen, gaps = _seen(run, policy), batch.review_gap()
    views = batch.by_tier(batch.observation())["store"]
    out = []
    for row, (sku, store) in enumerate(now.places):
        at = rows[row], store
        order = float(asked[at])
        odd = (views[at] < seen[0]) | (views[at] > seen[1])
        out.append(
            {
                "date": day.isoformat(),
                "store": known.table.stores[store],
                "sku": known.table.skus[sku],
                "quantity": round(order, 2),
                "days_of_cover": _cover(batch, at, order),
                "stockout_chance": _stockout(
                    *(_past(batch), known, (sku, *at), int(gaps[rows[row]])),
                    (now.on_hand[row], due[row]),
                    order,
                ),
                "baseline": name,
                "baseline_quantity": round(float(theirs[at]), 2),
                "unusual": ", ".join(names[i] for i in np.flatnonzero(odd)),
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
    batch.sites["on_hand"] = 0.0
    for row, (_, store) in enumerate(now.places):
        batch.sites["on_hand"][rows[row], store] = now.on_hand[row]
        batch.pipelines[rows[row], store, : due.shape[1]] = due[row]
    return batch, rows


def _orders(batch: SupplyChainBatch, policy: Policy) -> Floats:
    """Return what a policy orders in the state of the batch, shape (worlds, N) [units]."""
    policy.bind(batch)
    start = np.ones(batch.num_worlds, np.bool_)
    actions = np.asarray(policy.predict(batch.observation(), None, start)[0])
    chosen = actions.reshape(batch.num_worlds, -1)[:, : batch.num_stores]
    orders: Floats = np.take_along_axis(batch.store_orders(), chosen[..., None], axis=2)[..., 0]
    return orders


def _rule(run: RunConfig, name: str | None, tuner: TunedFile) -> tuple[str, Policy]:
    """Return the rule asked for, or the one that does best on the selection period."""
    names = [rule for rule in HISTORY_BASELINES if rule != "random"]
    if name is not None:
        choose("baseline", name, names)
    asked = names if name is None else [name]
    made = make_baselines("stores", run.parameters, asked, tuner=tuner)
    if len(made) == 1:
        return next(iter(made.items()))
    trace = run.problem.traces(run.parameters, "validation", 0, SELECTION_EPISODES)
    scores = {
        rule: float(rollout(run.problem, run.parameters, policy, trace)["return"].mean())
        for rule, policy in made.items()
    }
    best = max(scores, key=lambda rule: scores[rule])
    return best, made[best]


def _seen(run: RunConfig, policy: Policy) -> tuple[Floats, Floats]:
    """Return the least and the most of each entry that the policy sees on training days."""
    step = run.settings.observation.step
    batch = SupplyChainBatch(run.parameters, SEEN_WORLDS, observe_step=step)
    policy.bind(batch)
    batch.reset()
    start = np.ones(batch.num_worlds, np.bool_)
    views, memory = [], None
    while batch.day < run.parameters.horizon:
        seen = batch.observation()
        views.append(
            batch.by_tier(seen)["store"].reshape(-1, len(batch.observation_names["store"]))
        )
        actions, memory = policy.predict(seen, memory, start)
        batch.step(np.asarray(actions).reshape(batch.num_worlds, -1))
        start = np.zeros(batch.num_worlds, np.bool_)
    every = np.concatenate(views)
    low, high = every.min(axis=0), every.max(axis=0)
    room = MARGIN * (high - low) + 1e-6
    return low - room, high + room


def _cover(batch: SupplyChainBatch, at: tuple[int, int], order: float) -> float | None:
    past = _past(batch)
    daily = float(past.same_weekday(0, 7)[(slice(None), *at)].mean())
    position = batch.sites["on_hand"][at] + batch.pipelines[at].sum() + order
    return round(float(position) / daily, 1) if daily > 0 else None


def _past(batch: SupplyChainBatch) -> KnownDemand:
    if batch.past is None:
        raise TypeError("a batch without demand of a file")
    return batch.past


def _stockout(
    past: KnownDemand,
    known: StoreHistory,
    place: tuple[int, int, int],
    gap: int,
    stock: tuple[float, Floats],
    order: float,
) -> float:
    """Return the share of the training days' forecast errors that would empty the store.

    Parameters
    ----------
    past : Past
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
    left, short = np.zeros(len(first)), np.zeros(len(first), np.bool_)
    for j in range(count):
        left += arriving[j]
        short |= demand[:, j] > left
        left = np.maximum(left - demand[:, j], 0.0)
    return round(float(short.mean()), 3)
