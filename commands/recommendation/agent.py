"""The agent among the candidates: trained before every origin, and played after it."""

import datetime as dt
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from agents.config import RunConfig
from agents.run_files import BEST
from baselines.policy import Policy
from baselines.rule_choice import offset_rules
from baselines.rules.offset import followed_rule
from commands.recommendation.selection import Candidates, Periods, Report, served
from common.console import INTERRUPTED
from evaluation.replay import Replay, replay


def play_agent(
    found: Candidates,
    make_run: Callable[[dt.date, dt.date], RunConfig],
    periods: Periods,
    *,
    folder: Path,
    report: Report,
) -> int:
    """Train an agent before each origin, play it on the days after it, and add it to the rules.

    An agent that chooses offsets chooses them to the level of the rule that would be chosen without
    it, and orders in whole units as rules do here; ``offset.rule`` names another one.

    Parameters
    ----------
    found : Candidates
        The rules, as `play_rules` returns them.
    make_run : callable
        From a split and the first day after the evaluation period to the agent's configuration.
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
    folds, whole = list(enumerate(periods.folds(), 1)), make_run(periods.split, periods.until)
    algo = whole.settings.algo
    known = offset_rules(whole.problem, whole.parameters)
    rule = found.choice_among([name for name in found.folds if name in known] or found.folds)
    played = []
    try:
        for number, days in folds:
            report(f"origin {number} of {len(folds)}: training {algo}")
            with tempfile.TemporaryDirectory() as scratch:
                one = _trained(_offset_to(rule, make_run(*days)), Path(scratch) / "run")[1]
            played.append((one.together(), served(whole, one)))
        report(f"all before {periods.split}: training {algo}")
        policy, evaluation = _trained(_offset_to(rule, whole), folder)
    except KeyboardInterrupt as stop:
        return stop.args[0] if stop.args else INTERRUPTED
    for together, service in played:
        found.add(algo, together, service)
    found.policies[algo], found.evaluation[algo] = policy, evaluation
    found.served[algo] = served(whole, evaluation)
    if followed_rule(policy) is not None:
        found.same_as[algo] = rule
    return 0


def _offset_to(rule: str, run: RunConfig) -> RunConfig:
    """Return a run whose agent, if it chooses offsets, chooses them to a rule, in units as it."""
    offset = run.settings.offset
    if run.parameters.lanes()[0].store.action != "offset" or offset.rule != "auto":
        return run
    offset = offset.model_copy(update={"rule": rule, "in_units": True})
    return replace(run, settings=run.settings.model_copy(update={"offset": offset}))


def _trained(run: RunConfig, folder: Path) -> tuple[Policy, Replay]:
    """Return an agent, and what it does on the days after those that it was trained on.

    Raises
    ------
    KeyboardInterrupt
        With the exit status of the signal that ended training.
    """
    from training.learners.load import load_agent  # here: both load torch
    from training.trainer import train

    status = train(run, folder, quiet=True).status
    if status:
        raise KeyboardInterrupt(status)
    policy = load_agent(folder, BEST)[1]
    step = run.settings.observation.step
    return policy, replay(run.problem, run.parameters, policy, observe_step=step)
