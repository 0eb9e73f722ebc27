"""Today's orders: what a trained policy does in the present state, and how sure it may be."""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents import run_files, run_folder
from agents.config import RunConfig
from agents.tuned_file import TunedFile, read_recommendation
from baselines.policy import Policy
from baselines.registry import baseline_kinds, make_baselines
from baselines.rollout import rollout
from commands.checkpoints import (
    print_changed_data,
    print_rule_followed,
    short_of_its_rule,
    training_failure,
)
from commands.database.database import Database
from commands.morning import Morning
from commands.order_checks import OrderLimits, unusual_entries
from commands.stock_state import read_state
from common.errors import InputError, choose
from demand.history import StoreHistory
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.sites import StoreParameters
from evaluation.estimators import estimator_for
from training.learners.load import load_agent
from training.policy import observation_range

Floats = NDArray[np.float64]
SELECTION_EPISODES = 200
MARGIN = 0.05
"""Share of the range seen in training by which a state may lie outside of it."""


@dataclass(frozen=True)
class Advice:
    """What is ordered in a morning, before anything is held back; every array has shape (rows,).

    Attributes
    ----------
    morning : Morning
        The state.
    asked, by_rule : ndarray
        Orders of the policy, and of the rule beside it [units].
    daily : ndarray
        Mean demand expected in the coming week [units/day].
    gaps : ndarray
        Days to the next day of review.
    unusual : list of str
        In which respects each state is unlike those in training.
    """

    morning: Morning
    asked: Floats
    by_rule: Floats
    daily: Floats
    gaps: NDArray[np.int64]
    unusual: list[str]


class Decider:
    """What decides: a run's policy, the rule beside it, and what the run is worth.

    Parameters
    ----------
    checkpoint : str
        A run folder, trained on demand of a file.
    baseline : str, optional
        The rule to name besides; by default the best on the run's selection period.

    Attributes
    ----------
    folder : Path
        The run's.
    run : RunConfig
        Its configuration.
    known : StoreHistory
        The stores and SKUs, and their demand up to when it was trained.

    Raises
    ------
    InputError
        If it is no such run; when the rule is first asked for, if that is unknown.
    """

    def __init__(self, checkpoint: str, baseline: str | None = None) -> None:
        self.folder, self.run, self._policy = _load(checkpoint)
        self.known: StoreHistory = self.run.parameters.history
        self._baseline = baseline
        self._most_demand: Floats = self.known.training.max(axis=0)

    @cached_property
    def rule(self) -> tuple[str, Policy, str]:
        """Name and policy of the rule beside the run, and by how much the run does worse."""
        advice = read_recommendation(self.folder)
        if advice is not None and self._baseline is None:
            return advice.name, advice.rule(self.run.parameters), ""
        tuner = TunedFile(self.folder / run_files.TUNED)
        return _rule(self.run, self._policy, self._baseline, tuner)

    @cached_property
    def faults(self) -> list[str]:
        """Why the run's orders are held back, all of them."""
        found = training_failure(self.folder), short_of_its_rule(self.folder), self.rule[2]
        return [fault for fault in found if fault]

    @cached_property
    def usual_range(self) -> tuple[Floats, Floats]:
        """The least and the most of each entry that is nothing unusual."""
        return _usual_range(self.folder, self.run, self._policy)

    def prepare(self) -> None:
        """Choose the rule and read the usual range now, before the first morning asks for them."""
        _ = self.faults, self.usual_range

    def advise(self, morning: Morning, *, rule_alone: bool = False) -> Advice:
        """Return what the policy and the rule order in the morning, or the rule in place of both.

        Raises
        ------
        NumericalError
            If the policy's outputs are not finite.
        """
        by_rule = _orders(morning.batch, self.rule[1], morning)
        return Advice(
            morning,
            asked=by_rule if rule_alone else _orders(morning.batch, self._policy, morning),
            by_rule=by_rule,
            daily=morning.expected(7).mean(axis=0),
            gaps=morning.batch.review_gap()[[world for world, _ in morning.places]],
            unusual=self._unusual(morning),
        )

    def doubts(self, advice: Advice, row: int, limits: OrderLimits) -> list[str]:
        """Return why the order of a row is held back."""
        now = advice.morning.now
        return self.faults + limits.faults(
            float(advice.asked[row]),
            rule=float(advice.by_rule[row]),
            usual=float(advice.daily[row]) * int(advice.gaps[row]),
            price=None if now.price is None else float(now.price[row]),
            demand=float(advice.morning.recent[row].max()),
            most=float(self._most_demand[now.places[row]]),
        )

    def orders(self, morning: Morning, limits: OrderLimits) -> list[dict[str, Any]]:
        """Return the orders of a morning, a row per store and SKU of the state.

        Returns
        -------
        list of dict
            As `decide` says.
        """
        advice = self.advise(morning)
        now, known, batch, name = morning.now, self.known, morning.batch, self.rule[0]
        chances = morning.stockout_chances(advice.asked, advice.gaps)
        out = []
        for row, (sku, store) in enumerate(now.places):
            at = morning.places[row]
            order, usual = float(advice.asked[row]), float(advice.daily[row])
            held_back = self.doubts(advice, row, limits)
            refused = bool(held_back) and not limits.allow
            position = batch.sites["on_hand"][at] + batch.pipelines[at].sum() + order
            out.append(
                {
                    "date": morning.day.isoformat(),
                    "store": known.table.stores[store],
                    "sku": known.table.skus[sku],
                    "quantity": None if refused else round(order, 2),
                    "days_of_cover": round(float(position) / usual, 1) if usual > 0 else None,
                    "stockout_before": round(float(chances[row, 0]), 3),
                    "stockout_after": round(float(chances[row, 1]), 3),
                    "baseline": name,
                    "baseline_quantity": round(float(advice.by_rule[row]), 2),
                    "unusual": advice.unusual[row],
                    "held_back": "; ".join(held_back) if refused else "",
                }
            )
        return out

    def _unusual(self, morning: Morning) -> list[str]:
        """Return in which respects each row's state is unlike those in training."""
        batch = morning.batch
        names = batch.observation_names["store"]
        seen = batch.by_tier(batch.observation())["store"]
        views = seen[tuple(np.array(morning.places).T)]
        low, high = self.usual_range
        outside = ((views < low) | (views > high)).any(axis=1)
        return [
            unusual_entries(names, view, (low, high)) if strange else ""
            for view, strange in zip(views, outside, strict=True)
        ]


def decide(
    checkpoint: str,
    state: Path | Database,
    *,
    history: Path | None = None,
    calendar: Path | None = None,
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
        `commands.database.database`.
    history : Path, optional
        A demand file of the same stores and SKUs with the days before `date`; by default that of
        the run, where the state has no recent demand.
    calendar : Path, optional
        What is known of the coming days, where the run's rules and agents know such things.
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
    decider = Decider(checkpoint, baseline)
    if isinstance(state, Database):
        now = state.read_state(decider.known, date, demand=history is None)
    else:
        now = read_state(state, decider.known)
    morning = Morning.of(decider.run, now, history=history, calendar=calendar, date=date)
    return decider.orders(morning, limits or OrderLimits())


def _load(checkpoint: str) -> tuple[Path, RunConfig, Policy]:
    """Return the run's folder, its configuration and its policy: the rule, if it recommends one."""
    folder, name = run_folder.find(checkpoint)
    advice = read_recommendation(folder)
    if advice is not None and advice.kind == "rule":
        run = run_folder.read_config(folder)
        print_changed_data(folder, run)
        return folder, run, advice.rule(run.parameters)
    run, policy = load_agent(folder, name)
    if getattr(run.parameters, "history", None) is None:
        raise InputError(
            f"{folder}: was not trained on stores with demand of a file; train one with --demand"
        )
    print_changed_data(folder, run)
    print_rule_followed(policy)
    return run_folder.root_of(folder, checkpoint), run, policy


def _orders(batch: SupplyChainBatch, policy: Policy, morning: Morning) -> Floats:
    """Return what a policy orders in the morning, a row per store and SKU of the state [units]."""
    policy.bind(batch)
    start = np.ones(batch.num_worlds, np.bool_)
    actions = np.asarray(policy.predict(batch.observation(), None, start)[0])
    chosen = actions.reshape(batch.num_worlds, -1)[:, : batch.num_stores]
    if batch.asked_units:
        chosen = np.broadcast_to(np.arange(batch.num_stores), chosen.shape)
    orders = np.take_along_axis(batch.store_orders(), chosen[..., None], axis=2)[..., 0]
    values: Floats = orders[tuple(np.array(morning.places).T)]
    history = batch.parameters.history
    if history is None or (history.table.demand % 1).any():
        return values
    lanes = batch.parameters.lanes()
    return np.array(
        [
            _whole(x, lanes[sku].store)
            for x, (sku, _) in zip(values, morning.now.places, strict=True)
        ]
    )


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
        The last says by how much the policy does worse than the rule there, if it does by more
        than chance.
    """
    kinds = baseline_kinds("stores", run.parameters).items()
    names = [rule for rule, kind in kinds if kind.role != "random" and not kind.any_quantity]
    if name is not None:
        choose("baseline", name, names)
    made = make_baselines("stores", run.parameters, names if name is None else [name], tuner=tuner)
    trace = run.problem.traces(run.parameters, "validation", 0, SELECTION_EPISODES)

    def returns(player: Policy) -> Floats:
        step = run.settings.observation.step
        return rollout(run.problem, run.parameters, player, trace, observe_step=step)["return"]

    by_rule = {rule: returns(player) for rule, player in made.items()}
    best = max(by_rule, key=lambda rule: float(by_rule[rule].mean()))
    own = returns(policy)
    mean, *_ = estimator_for(run.problem, run.parameters, trace, "validation")
    difference = mean(own - by_rule[best])
    low, high = difference.ci95
    worse = (
        f"the agent earns {own.mean():,.1f} on the selection period, {best} "
        f"{by_rule[best].mean():,.1f} (95% interval of the difference {low:,.1f} to {high:,.1f})"
    )
    return best, made[best], worse if high < 0.0 else ""


def _usual_range(home: Path, run: RunConfig, policy: Policy) -> tuple[Floats, Floats]:
    """Return the least and the most of each entry that is nothing unusual."""
    advice = read_recommendation(home)
    if advice is not None and advice.kind == "rule":  # which looks at no observation
        return np.array(-np.inf), np.array(np.inf)
    low, high = observation_range(run_folder.last_phase(home), run, policy)
    room = MARGIN * (high - low) + 1e-6
    return low - room, high + room
