"""The agent among the candidates: trained before every origin, and played after it."""

import datetime as dt
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents import run_files
from agents.config import RunConfig
from agents.run_files import BEST
from agents.run_folder import read_config
from baselines.policy import Policy
from baselines.rule_choice import offset_rules
from baselines.rules.offset import followed_rule
from commands.recommendation.runs import Runs
from commands.recommendation.selection import Candidates, Periods, Report, served
from common.console import INTERRUPTED
from evaluation.replay import Replay, replay

_Played = tuple[Policy, Replay]


def play_agent(
    found: Candidates, runs: Runs, periods: Periods, *, folder: Path, report: Report
) -> int:
    """Train an agent before each origin, play it on the days after it, and add it to the rules.

    An agent that chooses offsets chooses them to the level of the rule that would be chosen without
    it, and orders in whole units as rules do here; ``offset.rule`` names another one. When it has
    been trained, all days before the split count for what is known of demand, and that rule is the
    one tuned on them.

    Parameters
    ----------
    found : Candidates
        The rules, as `play_rules` returns them.
    runs : Runs
        The agent's configurations.
    periods : Periods
        The days.
    folder : Path
        Where the agent that is trained on all days before the split goes.
    report : callable
        Told of every piece of work.

    Returns
    -------
    int
        Exit status of the signal that ended training, 0 without one. Then no agent is added.
    """
    folds, whole = list(enumerate(periods.folds())), runs(periods.split, periods.until)
    algo, on_all_days = whole.settings.algo, runs.on_all_days()
    known = offset_rules(whole.problem, whole.parameters)
    rule = found.choice_among([name for name in found.folds if name in known] or found.folds)

    def trained(days: tuple[dt.date, dt.date], values: dict[str, Any], where: Path) -> _Played:
        run = runs(*days)
        moves = run.parameters.lanes()[0].store.action == "offset"
        to_rule = moves and run.settings.offset.rule == "auto"
        _train(_with_offset(run, rule=rule, in_units=True) if to_rule else run, where)
        again = read_config(where)
        if to_rule or not moves:  # a rule that somebody else named keeps what it was tuned to
            again = replace(again, parameters=on_all_days(*days).parameters)
        if to_rule:
            numbers = {name: float(value) for name, value in values.items()}
            again = _with_offset(again, values=numbers)
        run_files.write(where / run_files.CONFIG, again.to_yaml().encode())
        return _played(again, where)

    played = []
    try:
        for k, days in folds:
            report(f"origin {k + 1} of {len(folds)}: training {algo}")
            with tempfile.TemporaryDirectory() as scratch:
                _, one = trained(days, found.fold_values[rule][k], Path(scratch) / "run")
            played.append((one.together(), served(whole, one)))
        report(f"all before {periods.split}: training {algo}")
        last = periods.split, periods.until
        found_policy, evaluation = trained(last, found.values[rule], folder)
    except KeyboardInterrupt as stop:
        return stop.args[0] if stop.args else INTERRUPTED
    for together, service in played:
        found.add(algo, together, service)
    found.policies[algo], found.evaluation[algo] = found_policy, evaluation
    found.served[algo] = served(whole, evaluation)
    if followed_rule(found_policy) is not None:
        found.same_as[algo] = rule
    return 0


def _with_offset(run: RunConfig, **changed: Any) -> RunConfig:
    """Return a run with other settings of the rule that offsets are to."""
    offset = run.settings.offset.model_copy(update=changed)
    return replace(run, settings=run.settings.model_copy(update={"offset": offset}))


def _train(run: RunConfig, folder: Path) -> None:
    """Train an agent.

    Raises
    ------
    KeyboardInterrupt
        With the exit status of the signal that ended training.
    """
    from training.trainer import train  # here: it loads torch

    status = train(run, folder, quiet=True).status
    if status:
        raise KeyboardInterrupt(status)


def _played(run: RunConfig, folder: Path) -> _Played:
    """Return the agent in a folder, and what it does on the days that it plays."""
    from training.learners.load import load_agent  # here: it loads torch

    policy = load_agent(folder, BEST)[1]
    step = run.settings.observation.step
    return policy, replay(run.problem, run.parameters, policy, observe_step=step)
