"""What ``decide.py`` does: a run that decides, the rule beside it, and the orders of a morning."""

import datetime as dt
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
from commands.database.database import Database
from commands.judging.checkpoints import (
    print_changed_data,
    print_rule_followed,
    short_of_its_rule,
    training_failure,
)
from commands.order_checks import OrderLimits
from commands.orders import Decider
from commands.stock_state import read_state
from common.console import screen
from common.errors import InputError, choose
from common.shards import HERE, Workers
from evaluation.estimators import estimator_for

Floats = NDArray[np.float64]
SELECTION_EPISODES = 200
MARGIN = 0.05
"""Share of the range seen in training by which a state may lie outside of it."""


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
    workers : Workers
        Who decides; the orders do not depend on it.

    Returns
    -------
    list of dict
        ``date``, ``store``, ``sku``, ``quantity`` [units, whole where the run's demand is; None
        where it is held back], ``days_of_cover`` (stock, orders under way and this one, less what
        expires first, over the mean demand of the coming week, None if that is 0),
        ``stockout_before`` and
        ``stockout_after`` (chances before today's order can arrive, and from then until that of the
        next day of review can: from the errors that forecasts had on training days, on this state),
        ``baseline`` and ``baseline_quantity``, ``unusual``: what the policy never saw the like of
        in training, and ``held_back``: why an order is; empty if nothing; ``supplier``, where the
        items file of the run names them.
    """
    with screen.status("loading the policy, tuning rules"):
        decider = load_decider(checkpoint, baseline)
    if isinstance(state, Database):
        now = state.read_state(decider.known, date, demand=history is None)
    else:
        now = read_state(state, decider.known)
    today = decider.today(now, history=history, calendar=calendar, date=date)
    return decider.orders(today, limits or OrderLimits(), workers)


def folder_of(checkpoint: str) -> Path:
    """Return the run folder that ``--checkpoint`` names.

    Raises
    ------
    InputError
        If it names no run.
    """
    return run_folder.root_of(run_folder.find(checkpoint)[0], checkpoint)


def load_decider(checkpoint: str, baseline: str | None = None) -> Decider:
    """Return what decides by a run.

    Parameters
    ----------
    checkpoint : str
        A run folder, trained on demand of a file.
    baseline : str, optional
        The rule to name besides; by default the best on the run's selection period.

    Raises
    ------
    InputError
        If it is no such run, or the rule is unknown.
    """
    folder, run, policy = _load(checkpoint)
    name, rule, worse = _rule_beside(folder, run, policy, baseline)
    found = training_failure(folder), short_of_its_rule(folder), worse
    return Decider(
        folder,
        run.parameters,
        policy,
        (name, rule),
        observe_step=run.settings.observation.step,
        faults=[fault for fault in found if fault],
        usual_range=_usual_range(folder, run, policy),
    )


def _load(checkpoint: str) -> tuple[Path, RunConfig, Policy]:
    """Return the run's folder, its configuration and its policy: the rule, if it recommends one."""
    folder, name = run_folder.find(checkpoint)
    advice = read_recommendation(folder)
    if advice is not None and advice.kind == "rule":
        run = run_folder.read_config(folder)
        print_changed_data(folder, run)
        return folder, run, advice.rule(run.parameters)
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
    """Return name and policy of the rule beside a run, and by how much the run does worse."""
    advice = read_recommendation(folder)
    if advice is not None and advice.kind == "rule" and baseline is None:
        return advice.name, advice.rule(run.parameters), ""
    return _rule(run, policy, baseline, TunedFile(folder / run_files.TUNED))


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
    from training.policy import observation_range  # here: it loads torch

    low, high = observation_range(run_folder.last_phase(home), run, policy)
    room = MARGIN * (high - low) + 1e-6
    return low - room, high + room
