"""The work of ``decide.py``: a run that decides, the rule beside it, and a morning's orders."""

import datetime as dt
import hashlib
import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents import run_files, run_folder
from agents.config import RunConfig
from agents.tuned_file import RuleBeside, TunedFile, read_recommendation, recommended_rule
from baselines.policy import Policy
from baselines.registry import baseline_kinds, make_baselines
from baselines.rollout import rollout
from baselines.tuned_rules import code_digest
from commands.database.database import Database
from commands.judging.checkpoints import (
    manifest_digest,
    print_changed_data,
    print_rule_followed,
    short_of_its_rule,
    training_failure,
)
from commands.known_days import left_out
from commands.order_checks import OrderLimits
from commands.orders import Decider
from commands.stock_state import read_state
from common.console import collector_paused, screen
from common.errors import InputError, choose
from common.shards import HERE, Workers
from demand.sheet import read_sheet
from demand.table import DemandTable
from evaluation.estimators import estimator_for
from training.observation_range import observation_range

Floats = NDArray[np.float64]
SELECTION_EPISODES = 200
MARGIN = 0.05
"""How far a state may lie outside the range seen in training, as a share of that range."""


def decide(
    checkpoint: str,
    state: Path | Database,
    *,
    history: Path | None = None,
    calendar: Path | None = None,
    date: dt.date | None = None,
    baseline: str | None = None,
    limits: OrderLimits | None = None,
    workers: Workers = HERE,
) -> list[dict[str, Any]]:
    """Return today's orders, a row per store and SKU of the state.

    Parameters
    ----------
    checkpoint : str
        A run folder, trained on demand from a file.
    state : Path or Database
        Stock, outstanding orders and possibly recent demand: see `commands.stock_state` and
        `commands.database.database`.
    history : Path, optional
        A demand file of the same stores and SKUs, by the same periods, with the days before `date`;
        by default that of the run, if the state has no recent demand.
    calendar : Path, optional
        A file of what is known of the coming days, and of past ones since the run's file ended, if
        the run's rules and agents use such columns.
    date : date, optional
        The day to decide on; by default that of the state, else the one after the last with known
        demand, or today.
    baseline : str, optional
        The rule beside the policy; by default the best on the run's selection period.
    limits : OrderLimits, optional
        Limits beyond which orders are held back; by default the usual ones.
    workers : Workers
        The processes that decide; the orders do not depend on them.

    Returns
    -------
    list of dict
        ``date``, ``store``, ``sku``, ``quantity`` [units, whole where the run's demand is; None
        where it is held back], ``days_of_cover`` (stock, outstanding orders and this one, less what
        expires first, over the mean demand of the coming week, None if that is 0),
        ``stockout_before`` and ``stockout_after`` (the chances of a stockout before today's order
        can arrive, and from then until the order of the next day of review can, by the errors of
        forecasts on training days, in this state), ``rule`` and ``rule_quantity``,
        ``unusual``: in what the state is unlike all that the agent saw in training, or stock far
        beyond use where a rule decides, and ``held_back``: why an order is held back; both are
        empty if there is nothing to say; ``supplier``, if the run's items file names suppliers.
    """
    with screen.status("loading the policy, tuning rules"), ThreadPoolExecutor(1) as meanwhile:
        sheet = None if isinstance(state, Database) else meanwhile.submit(read_sheet, state)
        with collector_paused():
            loaded = _load(checkpoint)
        decider = _decider(*loaded, baseline)
    later: Path | DemandTable | None = history
    if isinstance(state, Database):
        now, last = state.read_state(decider.known, date, demand=history is None)
        later = history or last
    else:
        now = read_state(state, decider.known, None if sheet is None else sheet.result())
    today = decider.today(now, history=later, calendar=calendar, date=date)
    if note := left_out(decider.known, now.places, today.day):
        screen.print(note, soft_wrap=True)
    return decider.orders(today, limits or OrderLimits(), workers)


def folder_of(checkpoint: str) -> Path:
    """Return the run folder that ``--checkpoint`` names.

    Raises
    ------
    InputError
        If it does not name a run.
    """
    return run_folder.root_of(run_folder.find(checkpoint)[0], checkpoint)


def load_decider(checkpoint: str, baseline: str | None = None) -> Decider:
    """Return the decider of a run.

    Parameters
    ----------
    checkpoint : str
        A run folder, trained on demand from a file.
    baseline : str, optional
        The rule beside the policy; by default the best on the run's selection period.

    Raises
    ------
    InputError
        If it is not such a run, or the rule is unknown.
    """
    return _decider(*_load(checkpoint), baseline)


def _decider(folder: Path, run: RunConfig, policy: Policy, baseline: str | None) -> Decider:
    """Return the decider of a policy, with the rule beside it and the usual range of states."""
    usual_range = _usual_range(folder, run, policy)
    faults = training_failure(folder), short_of_its_rule(folder)
    name, rule, worse = _rule_beside(folder, run, policy, baseline)  # last, as it writes a file
    return Decider(
        folder,
        run.parameters,
        policy,
        (name, rule),
        observe_step=run.settings.observation.step,
        faults=[fault for fault in (*faults, worse) if fault],
        usual_range=usual_range,
    )


def _load(checkpoint: str) -> tuple[Path, RunConfig, Policy]:
    """Return the run's folder, its configuration and its policy: the rule, if it recommends one."""
    folder, name = run_folder.find(checkpoint)
    advice = recommended_rule(folder)
    if advice is not None:
        run = run_folder.read_config(folder)
        print_changed_data(folder, run)
        return folder, run, advice.rule(run.parameters)
    with ThreadPoolExecutor(1) as meanwhile:  # if it fails, the code that needs it says so
        meanwhile.submit(importlib.import_module, "torch")
        run_folder.read_config(folder)
    from training.learners.load import load_agent  # here: it loads torch

    run, policy = load_agent(folder, name)
    if getattr(run.parameters, "history", None) is None:
        raise InputError(
            f"{folder}: was not trained on stores with demand of a file; train one with --demand"
        )
    print_changed_data(folder, run)
    print_rule_followed(policy)
    return run_folder.root_of(folder, checkpoint), run, policy


def _rule_beside(
    folder: Path, run: RunConfig, policy: Policy, baseline: str | None
) -> tuple[str, Policy, str]:
    """Return the rule asked for, or the one that does best on the selection period.

    The comparison is kept beside the run, for the next time that the same one is needed.

    Returns
    -------
    name, rule, worse : str, Policy, str
        The last says by how much the policy does worse than the rule there, if the difference is
        significant.
    """
    advice = read_recommendation(folder)
    judged = None if advice is None else advice.best_rule  # when it was recommended
    if advice is not None and judged is not None and baseline in (None, judged):
        own = advice.kind == "rule"
        rule = advice.rule(run.parameters) if own else advice.rules(run.parameters)[judged]
        return judged, rule, ""
    tuner = TunedFile(folder / run_files.TUNED)
    kinds = baseline_kinds("stores", run.parameters).items()
    known = {name: kind for name, kind in kinds if kind.is_rival}
    if baseline is not None:
        names = [choose("baseline", baseline, known)]
        if judged is not None:
            made = make_baselines("stores", run.parameters, names, tuner=tuner)
            return names[0], made[names[0]], ""
    else:  # the same on every machine, whatever is installed there
        names = [name for name, kind in known.items() if not kind.package]
    mark = _fingerprint(folder, run, names)
    found = tuner.recall_beside(mark)
    made = make_baselines("stores", run.parameters, [found.rule] if found else names, tuner=tuner)
    if found is None:
        found = _compare(run, policy, made, mark)
        tuner.record_beside(found)
    worse = (
        f"the agent earns {found.earned:,.1f} on the selection period, {found.rule} "
        f"{found.rule_earned:,.1f} (95% interval of the difference {found.low:,.1f} to "
        f"{found.high:,.1f})"
    )
    return found.rule, made[found.rule], worse if found.high < 0.0 else ""


def _fingerprint(folder: Path, run: RunConfig, names: list[str]) -> str:
    """Return a digest of everything that a comparison with rules depends on."""
    files, data = manifest_digest(folder), run_folder.data_digest(run)
    identity = files, data, names, SELECTION_EPISODES, code_digest().hex()
    return hashlib.sha256(repr(identity).encode()).hexdigest()


def _compare(run: RunConfig, policy: Policy, rules: dict[str, Policy], mark: str) -> RuleBeside:
    """Return how the best of several rules compares with a policy on the selection period."""
    trace = run.problem.traces(run.parameters, "validation", 0, SELECTION_EPISODES)

    def returns(player: Policy) -> Floats:
        step = run.settings.observation.step
        return rollout(run.problem, run.parameters, player, trace, observe_step=step)["return"]

    by_rule = {name: returns(rule) for name, rule in rules.items()}
    best = max(by_rule, key=lambda name: float(by_rule[name].mean()))
    own = returns(policy)
    mean, *_ = estimator_for(run.problem, run.parameters, trace, "validation")
    low, high = mean(own - by_rule[best]).ci95
    return RuleBeside(
        fingerprint=mark,
        rule=best,
        earned=float(own.mean()),
        rule_earned=float(by_rule[best].mean()),
        low=low,
        high=high,
    )


def _usual_range(home: Path, run: RunConfig, policy: Policy) -> tuple[Floats, Floats] | None:
    """Return the least and the largest usual value of each entry, None for a rule."""
    if recommended_rule(home) is not None:
        return None
    low, high = observation_range(run_folder.last_phase(home), run, policy)
    room = MARGIN * (high - low) + 1e-6
    return low - room, high + room
