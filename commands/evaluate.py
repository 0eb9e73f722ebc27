"""An agent compared with baselines and the reference: what the commands print."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agents import run_files, run_folder
from agents.algorithms import ALGORITHMS
from agents.config import RunConfig, resolve
from agents.tuned_file import TunedFile
from baselines.chunks import check_episodes
from baselines.multi_agent import TeamPolicy
from baselines.policy import AGENT, OPTIMUM, PAST_ORDERS, Policy
from baselines.references import find_exact_cost, find_reference
from baselines.registry import baseline_kinds, make_baselines, make_random
from baselines.rollout import Observer
from baselines.rules.past_orders import ActualOrders
from baselines.rules.reference import reference_team, reorder_note
from baselines.tuned_rules import Tuner, tune_rule
from commands.judging.checkpoints import LoadedCheckpoints, load_checkpoints, rules_not_reached
from commands.judging.what_if import load_changed, load_recommended
from common import console
from common.console import PlainConsole, screen
from common.errors import InputError, choose
from common.files import write_whole
from common.shards import HERE, Workers, share_progress
from demand.past_orders import PastOrders, read_past_orders
from demand.reader import read_demand
from demand.summary import describe_demand, describe_items
from envs.problems import PROBLEMS
from envs.supply_chain.metrics import tier_of_total
from evaluation.comparison import (
    ACTUAL_ORDERS,
    AGENT_NAME,
    NOTHING_SAMPLED,
    SAMPLED,
    Comparison,
    compare,
)
from evaluation.first_episodes import episode_table
from evaluation.output import Results
from evaluation.report.episodes import EpisodeRecord, EpisodeRecorder
from evaluation.seeds import few_seeds_note, over_seeds
from evaluation.table import show
from evaluation.tiers import TierResults, tier_results, tier_table


def print_demand_summary(config: RunConfig) -> None:
    """Print what the run's demand file is understood to be, if demand comes from one."""
    source: Any = getattr(config.parameters, "demand_data", None)
    if source is None:
        return
    table = read_demand(source.reading())
    words = describe_demand(table, source, source.columns_are)
    items = getattr(getattr(config.parameters, "history", None), "items", None)
    screen.print(words + describe_items(items, source), soft_wrap=True)


def in_scenario(run: RunConfig, scenario: str) -> RunConfig:
    """Return the run in a scenario of its problem.

    Raises
    ------
    InputError
        If the problem has no scenarios, or none of that name.
    """
    if not run.problem.scenarios:
        raise InputError(f"--scenario has no meaning for {run.problem.name}")
    choose("scenario", scenario, run.problem.scenarios)
    return replace(run, parameters=run.parameters.in_scenario(scenario))


def checkpoints_from_options(
    scenario: str | None,
    *,
    checkpoints: tuple[str, ...],
    problem: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    stores: int | None,
    recommended: bool = False,
    **days: Any,
) -> LoadedCheckpoints:
    """Return whom a command's options name: the agents of checkpoints, or none, on a problem.

    `days` are the options of `commands.options.file_options`; `recommended` lets a run be named
    that recommends a rule, which is then judged.

    Raises
    ------
    InputError
        If they contradict each other, or as `resolve` and
        `commands.judging.checkpoints.load_checkpoints`.
    """
    if checkpoints:
        given = {"config": config, "stores": stores, **days}
        for name, value in given.items():
            if value not in (None, ()):
                raise InputError(f"--{name} changes nothing about a checkpoint; leave it out")
        if assignments and len(checkpoints) > 1:
            raise InputError("--set: changes the problem of one --checkpoint; name a single run")
        if assignments:
            loaded = load_changed(checkpoints[0], assignments)
        else:
            rule = load_recommended(checkpoints) if recommended else None
            loaded = rule or load_checkpoints(checkpoints)
        own = loaded.run.settings.problem
        if problem not in (None, own):
            raise InputError(
                f"--checkpoint {checkpoints[0]} is about the {own} problem, not {problem}"
            )
    else:
        if scenario is not None and problem is None and config is None:
            problem = next(one.name for one in PROBLEMS.values() if one.scenarios)
        flags = {"problem": problem, "stores": stores, **days}
        loaded = LoadedCheckpoints(resolve(flags, config=config, assignments=assignments))
    return loaded if scenario is None else replace(loaded, run=in_scenario(loaded.run, scenario))


@dataclass(frozen=True)
class Evaluation:
    """All policies of a comparison, by name, what it came to, and for a report what they did."""

    policies: dict[str, Policy]
    results: Results
    records: Mapping[str, EpisodeRecord]


def evaluate_policies(
    loaded: LoadedCheckpoints,
    scenario: str | None = None,
    *,
    report: bool = False,
    hold: bool = False,
    **options: Any,
) -> Evaluation:
    """Play the agents of checkpoints against baselines, and record their episodes for a report.

    `options` are those of `play_against_baselines`.
    """
    hold = hold or report or bool(loaded.seeds)
    home = loaded.home or next(iter(loaded.folders), None)
    tuner = TunedFile(home / run_files.TUNED if home else None)
    recorders = _recorders(loaded.run) if report else None
    policies, comparison = play_against_baselines(
        loaded.run, loaded.policies, tuner=tuner, observers=recorders, hold=hold, **options
    )
    notes = *rules_not_reached(loaded), *few_seeds_note(len(loaded.seeds))
    comparison = replace(comparison, notes=(*comparison.notes, *notes))
    seeds = over_seeds(comparison, loaded.seeds) if loaded.seeds else None
    tiers = None
    if len(loaded.folders) == 1:
        counts = {n: options[n] for n in ("episodes", "seed", "workers") if n in options}
        tiers = tiers_by_phase(loaded.folders[0], scenario, **counts)
    records = {name: recorder.record() for name, recorder in (recorders or {}).items()}
    return Evaluation(policies, Results(comparison, seeds, tiers), records)


def _recorders(run: RunConfig) -> Mapping[str, EpisodeRecorder]:
    from evaluation.report.views import view_of  # here: pictures take long to import

    return defaultdict(view_of(run.problem).recorder)


def compare_with_baselines(
    run: RunConfig, policies: Mapping[str, Policy], **options: Any
) -> Comparison:
    """Return the comparison alone; see `play_against_baselines`."""
    return play_against_baselines(run, policies, **options)[1]


def play_against_baselines(
    run: RunConfig,
    policies: Mapping[str, Policy],
    *,
    baselines: str = "default",
    episodes: int = 2000,
    seed: int = 1,
    stochastic: bool = False,
    actual_orders: Path | None = None,
    tuner: Tuner = tune_rule,
    observers: Mapping[str, Observer] | None = None,
    workers: Workers = HERE,
    hold: bool = False,
) -> tuple[dict[str, Policy], Comparison]:
    """Play policies and baselines on the same fresh traces.

    Parameters
    ----------
    run : RunConfig
        The problem, and what its agents observe.
    policies : mapping
        Policies by name; baselines of one tier of the supply chain take the other tiers from the
        first of them.
    baselines : str
        Names or groups of baselines, separated by commas.
    episodes, seed : int
        Number and seed of the traces, from the stream ``"evaluation"``.
    stochastic : bool
        Sample the agents' actions.
    actual_orders : Path, optional
        A file of the orders that were placed in the evaluation period, to play them too.
    tuner : callable
        What tunes the rules, or knows them from before.
    observers, workers, hold
        As for `evaluation.comparison.compare`.

    Returns
    -------
    dict, Comparison
        All policies by name, and what they earned.
    """
    check_episodes(run.parameters, episodes, hold=hold)
    contenders = dict(policies)
    past = None if actual_orders is None else _past_orders(run, actual_orders)
    names = [name.strip() for name in baselines.split(",")]
    s = run.settings
    total = run.measure
    agent = next(iter(policies.values()), None)
    with console.screen.status("solving for the reference, tuning baselines"):
        baselines_made = make_baselines(
            s.problem, run.parameters, names, seed=seed, measure=total, tuner=tuner
        )
        baselines_made.setdefault("random", make_random(s.problem, seed, total))
        contenders |= {n: _with_other_tiers_of(agent, p, total) for n, p in baselines_made.items()}
        kinds = {
            **baseline_kinds(s.problem, run.parameters, total),
            **dict.fromkeys(policies, AGENT),
            "optimum": OPTIMUM,
            ACTUAL_ORDERS: PAST_ORDERS,
        }
        if past is not None:
            contenders[ACTUAL_ORDERS] = reference_team(store=ActualOrders(past))
        measure = find_reference(s.problem, run.parameters, total)
        if measure.policy is not None:
            contenders["optimum"] = measure.policy
    with share_progress("playing episodes") as progress:
        comparison = compare(
            run.problem,
            run.parameters,
            contenders,
            measure.reference,
            episodes=episodes,
            seed=seed,
            deterministic=not stochastic,
            observe_step=s.observation.step,
            measure=total,
            kinds=kinds,
            observers=observers,
            progress=progress,
            workers=workers,
            hold=hold,
        )
    comparison = _with_exact_costs(run, contenders, comparison)
    notes = (*comparison.notes, *reorder_note(contenders, run.parameters))
    if getattr(run.parameters, "scenario", "normal") != "normal":
        notes += (f"Scenario {run.parameters.scenario}, {run.parameters.horizon:,} days.",)
    if stochastic and policies:
        only_best = ALGORITHMS[s.algo].off_policy  # of which SB3 takes the best in silence
        notes += (NOTHING_SAMPLED.format(s.algo) if only_best else SAMPLED,)
    if past is not None:
        notes += (_past_orders_note(past, run.parameters),)
    return contenders, replace(comparison, notes=notes)


def _with_exact_costs(
    run: RunConfig, policies: Mapping[str, Policy], comparison: Comparison
) -> Comparison:
    """Return a comparison with the exact costs of its policies, where they can be worked out."""
    if run.measure != "return":
        return comparison
    results = dict(comparison.policies)
    with console.screen.status("working out exact costs"):
        for name, result in comparison.policies.items():
            found = find_exact_cost(run.problem.name, run.parameters, policies[name])
            if found is not None:
                metrics = {**result.metrics, "exact_cost_per_day": found}
                results[name] = replace(result, metrics=metrics)
    return replace(comparison, policies=results)


def _past_orders(run: RunConfig, file: Path) -> PastOrders:
    history = getattr(run.parameters, "history", None)
    if history is None or run.measure != "return":
        raise InputError("--actual-orders: belongs to stores that learn on a demand file")
    return read_past_orders(file, history)


def _past_orders_note(past: PastOrders, parameters: Any) -> str:
    """Return what a reader of the row of past orders must know."""
    filled = f" ({past.table.filled})" if past.table.filled else ""
    held = parameters.initial_on_hand().sum() / parameters.mean_demand().sum()
    return (
        f"actual_orders: those of {past.table.name}{filled}, day by day, whatever quantities are "
        "on offer. What stores really held when a window began is not known: as for all policies "
        f"{held:.3g} days of their mean demand, and nothing under way. So it tells how good the "
        "orders were, not what the past did cost."
    )


def _with_other_tiers_of(agent: Policy | None, baseline: Policy, total: str) -> Policy:
    """Return a baseline of one tier of the supply chain, with the other tiers as the agent has."""
    tier = tier_of_total(total)
    if tier is None or not (isinstance(agent, TeamPolicy) and isinstance(baseline, TeamPolicy)):
        return baseline
    others = {name: p for name, p in agent.players.items() if not name.startswith(tier)}
    return TeamPolicy({**others, tier: baseline.players[tier]}, agent.joint - {tier})


def tiers_by_phase(
    folder: Path,
    scenario: str | None = None,
    *,
    episodes: int = 2000,
    seed: int = 1,
    workers: Workers = HERE,
) -> TierResults | None:
    """Return what every tier earns before the first phase of a run and after each.

    Parameters
    ----------
    folder : Path
        A run folder; without phases the result is None.
    scenario : str, optional
        A scenario to play in place of the run's own.
    episodes, seed : int
        Number and seed of the traces, from the stream ``"evaluation"``.
    workers : Workers
        Who plays them.
    """
    from training.learners.load import load_agent  # here: it loads torch

    stages: dict[str, Policy] = {"rules": reference_team()}
    run: RunConfig | None = None
    for path in run_folder.phases(folder):
        run, stages[path.name.replace("_", " ")] = load_agent(path, run_files.BEST)
    if run is None:
        return None
    run = run if scenario is None else in_scenario(run, scenario)
    return tier_results(
        run.problem,
        run.parameters,
        stages,
        episodes=episodes,
        seed=seed,
        observe_step=run.settings.observation.step,
        workers=workers,
    )


def write_evaluation(
    folder: Path, results: Results, scenario: str | None = None, *, hub: bool = False
) -> None:
    """Write ``evaluation.json`` of a run, or of a scenario, and the card of the run.

    With `hub` the card begins with the metadata of the Hugging Face Hub.
    """
    text = results.text()
    write_whole(run_files.evaluation_file(folder, scenario), text.encode())
    if scenario is None and (folder / run_files.CONFIG).is_file():
        from training.trainer import write_card  # here: it loads torch

        write_card(folder, json.loads(text), hub=hub)


def show_trained(folder: Path) -> None:
    """Print what a trained run is worth: five episodes in full, then the tables."""
    from training.learners.load import load_agent  # here: it loads torch

    screen = PlainConsole()
    path, name = run_folder.find(str(folder))
    run, agent = load_agent(path, name)
    step = run.settings.observation.step
    screen.print(episode_table(run.problem, run.parameters, agent, seed=1, observe_step=step))
    screen.print()
    comparison = compare_with_baselines(
        run, {AGENT_NAME: agent}, tuner=TunedFile(folder / run_files.TUNED)
    )
    show(comparison, screen)
    tiers = tiers_by_phase(folder)
    if tiers is not None:
        screen.print()
        screen.print(tier_table(tiers))
    write_evaluation(folder, Results(comparison, None, tiers))
