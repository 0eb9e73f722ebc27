"""The report of a recommendation: ``recommendation.html`` in its run's folder."""

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents import run_files, run_folder
from agents.config import MAX_FILE_BYTES, RunConfig, from_dict, parse_mapping
from agents.tuned_file import Recommendation
from baselines.policy import Policy
from commands.recommendation.advice import in_words
from commands.recommendation.selection import usual_rule
from common.console import screen
from common.errors import InputError
from demand.summary import describe_demand, describe_items
from evaluation.business.economics import costs_in_words
from evaluation.business.forecasts import forecast_record
from evaluation.business.levels import level_records
from evaluation.business.service_curve import MANY, service_curve
from evaluation.replay import Replay, replay
from evaluation.report.recommendation.contents import RecommendationContents
from evaluation.report.recommendation.page import recommendation_page


def understood(parameters: Any) -> str:
    """Return what files are understood to be, what costs are counted, and how long orders take.

    Parameters
    ----------
    parameters : SupplyChainParameters
        With demand of a file.
    """
    p = parameters
    words = describe_demand(p.history.table, p.demand_data)
    words += describe_items(p.history.items, p.demand_data)
    options = "--set store.holding_cost=, .stockout_cost=, .fixed_cost=, .lead_time="
    return f"{words}\ncosts: {costs_in_words(p)} ({options})"


def write_report(
    run: RunConfig,
    folder: Path,
    advice: Recommendation,
    policies: Mapping[str, Policy],
    replays: Mapping[str, Replay],
) -> Path:
    """Write the report of a recommendation into its run's folder.

    Parameters
    ----------
    run, folder : RunConfig, Path
        The run.
    advice : Recommendation
        What it recommends.
    policies, replays : mapping
        All that was tried, tuned or trained on the days before the split, and what it did in the
        evaluation period.

    Returns
    -------
    Path
        The page.
    """
    with screen.status("writing the report"):
        contents = _contents(run, folder, advice, policies, replays)
        page = recommendation_page(contents)
        run_files.write_beside(folder / run_files.ADVICE_PAGE, page.encode())
    return folder / run_files.ADVICE_PAGE


def write_report_again(run: RunConfig, folder: Path, advice: Recommendation) -> Path:
    """Play what a run of `recommend.py` tried once more, and write the report of it.

    Raises
    ------
    InputError
        If the run was made by an earlier version, that kept the chosen rule alone.
    """
    rules = _run_of_rules(run, folder)
    policies = advice.rules(rules.parameters)
    if usual_rule(rules.parameters, policies) not in policies:
        raise InputError(
            f"{folder}: keeps no rules beside {advice.name}; recommend again with this version"
        )
    plays = {name: (rules, policy) for name, policy in policies.items()}
    agent = advice.figures.get("agent")
    home = folder if advice.kind == "agent" else folder / run_files.AGENT
    if agent is not None and home.exists():
        from training.learners.load import load_agent  # here: it loads torch

        plays[str(agent)] = load_agent(home, run_files.BEST)
    replays = {}
    with screen.status("playing") as status:
        for name, (one, policy) in plays.items():
            status.update(f"playing {name}")
            step = one.settings.observation.step and name == agent
            replays[name] = replay(one.problem, one.parameters, policy, observe_step=step)
    policies = {name: policy for name, (_, policy) in plays.items()}
    return write_report(run, folder, advice, policies, replays)


def _run_of_rules(run: RunConfig, folder: Path) -> RunConfig:
    """Return the run of the rules: another one where a run orders by its agent."""
    path = folder / run_files.RULES
    if not run_files.exists(path):
        return run
    return from_dict(parse_mapping(run_files.read(path, MAX_FILE_BYTES)))


def _contents(
    run: RunConfig,
    folder: Path,
    advice: Recommendation,
    policies: Mapping[str, Policy],
    replays: Mapping[str, Replay],
) -> RecommendationContents:
    rules, figures = _run_of_rules(run, folder), advice.figures
    p = rules.parameters
    known = () if p.history.covariates is None else p.history.covariates.names
    step = run.settings.observation.step and advice.kind == "agent"
    usual = usual_rule(p, replays)
    many = len(p.sku) * p.num_stores > MANY  # then only the choice has a curve, of few points
    curves = {
        name: service_curve(
            *(run.problem, one.parameters, policies[name], replays[name]),
            observe_step=step and name == advice.name,
        )
        for name, one in {advice.name: run, **({} if many else {usual: rules})}.items()
    }
    judged = {name: policies[name] for name in curves} if many else policies
    return RecommendationContents(
        title=f"What to order by: {p.history.table.name}",
        sentence=advice.sentence,
        choice=advice.name,
        usual=usual,
        in_words={name: in_words(name, known, p.history.table.period) for name in replays},
        replays=replays,
        origins=tuple(map(dt.date.fromisoformat, figures["origins"])),
        split=dt.date.fromisoformat(figures["split"]),
        folds=figures["cost_per_year_by_origin"],
        values=figures["rules"],
        curves=curves,
        forecast=forecast_record(p, policies[advice.name]),
        levels=level_records(run.problem, p, judged),
        parameters=p,
        facts={
            "What the file was understood to be": understood(run.parameters),
            "Configuration": run.to_yaml(),
            "Versions": json.dumps(run_folder.versions(), indent=2),
            "Run": str(folder),
            "All numbers": json.dumps(figures, indent=2),
        },
    )
