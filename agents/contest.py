"""An agent held against baselines and the reference: what the command lines print."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from agents import console, run_folder
from agents.cast import load_agent, measure_of
from agents.config import RunConfig, resolve
from agents.entries import Entry, enter
from agents.tunings import FILE, TunedFile
from baselines.actual_orders import ActualOrders
from baselines.policy import Policy
from baselines.registry import make_baselines, make_random
from baselines.supply_chain_rules import reference_team
from baselines.team import TeamPolicy
from baselines.tuned_rules import Tuner, tune_rule
from baselines.yardstick import yardstick
from evaluation.comparison import Comparison, compare
from evaluation.results import Results
from evaluation.seeds import over_seeds
from evaluation.table import show
from evaluation.tiers import TierResults, episode_table, tier_results, tier_table
from inventory.errors import InputError, choose, validated
from inventory.past_orders import PastOrders, read_past_orders
from inventory.scenarios import SCENARIOS
from inventory.tier_totals import tier_of_total


def in_scenario(run: RunConfig, scenario: str) -> RunConfig:
    """Return the run in a scenario of the supply chain, and as long as the scenario needs.

    Raises
    ------
    InputError
        If the problem has no scenarios, or none of that name.
    """
    if run.settings.problem != "stores":
        raise InputError(f"--scenario has no meaning for {run.settings.problem}")
    by_name = {str(name): s for name, s in SCENARIOS.items()}
    needed = by_name[choose("scenario", scenario, by_name)].horizon or 0
    changed = {"scenario": scenario, "horizon": max(run.parameters.horizon, needed)}
    parameters = validated(type(run.parameters), {**run.parameters.model_dump(), **changed})
    return replace(run, parameters=parameters)


def entry_of(
    scenario: str | None,
    *,
    checkpoints: tuple[str, ...],
    problem: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    stores: int | None,
    **days: Any,
) -> Entry:
    """Return whom a command's options name: the agents of checkpoints, or none, on a problem.

    `days` are the options of `agents.options.file_options`.

    Raises
    ------
    InputError
        If they contradict each other, or as `resolve` and `agents.entries.enter`.
    """
    if checkpoints:
        given = {"config": config, "set": assignments, "stores": stores, **days}
        for name, value in given.items():
            if value not in (None, ()):
                raise InputError(f"--{name} changes nothing about a checkpoint; leave it out")
        entry = enter(checkpoints)
        own = entry.run.settings.problem
        if problem not in (None, own):
            raise InputError(
                f"--checkpoint {checkpoints[0]} is about the {own} problem, not {problem}"
            )
    else:
        if scenario is not None and problem is None and config is None:
            problem = "stores"
        flags = {"problem": problem, "stores": stores, **days}
        entry = Entry(resolve(flags, config=config, assignments=assignments))
    return entry if scenario is None else replace(entry, run=in_scenario(entry.run, scenario))


@dataclass(frozen=True)
class Contest:
    """All policies of a comparison, by name, and what it came to."""

    policies: dict[str, Policy]
    results: Results


def hold(entry: Entry, scenario: str | None = None, **options: Any) -> Contest:
    """Play the agents of an entry against baselines; `options` are those of `compete`."""
    tuner = TunedFile(entry.folders[0] / FILE if entry.folders else None)
    policies, comparison = compete(entry.run, entry.policies, tuner=tuner, **options)
    seeds = over_seeds(comparison, entry.seeds) if entry.seeds else None
    tiers = None
    if len(entry.folders) == 1:
        counts = {name: options[name] for name in ("episodes", "seed") if name in options}
        tiers = tiers_by_phase(entry.folders[0], scenario, **counts)
    return Contest(policies, Results(comparison, seeds, tiers))


def hold_against(run: RunConfig, policies: Mapping[str, Policy], **options: Any) -> Comparison:
    """Return the comparison alone; see `compete`."""
    return compete(run, policies, **options)[1]


def compete(
    run: RunConfig,
    policies: Mapping[str, Policy],
    *,
    baselines: str = "default",
    episodes: int = 2000,
    seed: int = 1,
    stochastic: bool = False,
    actual_orders: Path | None = None,
    tuner: Tuner = tune_rule,
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

    Returns
    -------
    dict, Comparison
        All policies by name, and what they earned.
    """
    contenders = dict(policies)
    past = None if actual_orders is None else _past_orders(run, actual_orders)
    names = [name.strip() for name in baselines.split(",")]
    s = run.settings
    total = measure_of(run)
    agent = next(iter(policies.values()), None)
    with console.screen.status("solving for the reference, tuning baselines, playing episodes"):
        baselines_made = make_baselines(
            s.problem, run.parameters, names, seed=seed, measure=total, tuner=tuner
        )
        baselines_made.setdefault("random", make_random(s.problem, seed, total))
        contenders |= {n: _in_the_place_of(agent, p, total) for n, p in baselines_made.items()}
        if past is not None:
            contenders["actual_orders"] = reference_team(store=ActualOrders(past))
        measure = yardstick(s.problem, run.parameters, total)
        if measure.policy is not None:
            contenders["optimum"] = measure.policy
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
        )
    if past is not None:
        told = (*comparison.notes, _about(past, run.parameters))
        comparison = replace(comparison, notes=told)
    return contenders, comparison


def _past_orders(run: RunConfig, file: Path) -> PastOrders:
    history = getattr(run.parameters, "history", None)
    if history is None or measure_of(run) != "return":
        raise InputError("--actual-orders: belongs to stores that learn on a demand file")
    return read_past_orders(file, history)


def _about(past: PastOrders, parameters: Any) -> str:
    """Return what a reader of the row of past orders must know."""
    mended = "".join(f" ({told})" for told in past.table.mended)
    return (
        f"actual_orders: those of {past.table.name}{mended}, day by day, whatever "
        "quantities are on offer. What stores really held when a window began is not known: as for "
        f"all policies {parameters.demand_data.initial_days:g} days of their "
        "mean demand, and nothing under way. So it tells how good the orders were, not what the "
        "past did cost."
    )


def _in_the_place_of(agent: Policy | None, baseline: Policy, total: str) -> Policy:
    """Return a baseline of one tier of the supply chain, with the other tiers as the agent has."""
    tier = tier_of_total(total)
    if tier is None or not (isinstance(agent, TeamPolicy) and isinstance(baseline, TeamPolicy)):
        return baseline
    others = {name: p for name, p in agent.players.items() if not name.startswith(tier)}
    return TeamPolicy({**others, tier: baseline.players[tier]}, agent.joint - {tier})


def tiers_by_phase(
    folder: Path, scenario: str | None = None, *, episodes: int = 2000, seed: int = 1
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
    """
    stages: dict[str, Policy] = {"rules": reference_team()}
    run: RunConfig | None = None
    for path in run_folder.phases(folder):
        run, stages[path.name.replace("_", " ")] = load_agent(path, run_folder.BEST)
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
    )


def write_evaluation(folder: Path, results: Results, scenario: str | None = None) -> None:
    """Write ``evaluation.json`` of a run, or of a scenario."""
    suffix = "" if scenario is None else f"_{scenario}"
    run_folder.write_whole(folder / f"evaluation{suffix}.json", results.text().encode())


def show_supply_chain(folder: Path) -> None:
    """Print what a trained run of the supply chain is worth: five episodes, then the tables."""
    screen = Console()
    path, name = run_folder.find(str(folder))
    run, agent = load_agent(path, name)
    step = run.settings.observation.step
    screen.print(episode_table(run.problem, run.parameters, agent, seed=1, observe_step=step))
    screen.print()
    comparison = hold_against(run, {"checkpoint": agent}, tuner=TunedFile(folder / FILE))
    show(comparison, screen)
    tiers = tiers_by_phase(folder)
    if tiers is not None:
        screen.print()
        screen.print(tier_table(tiers))
    write_evaluation(folder, Results(comparison, None, tiers))
