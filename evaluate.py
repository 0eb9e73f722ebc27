"""Hold an agent against the optimum and tuned baselines: ``python evaluate.py --checkpoint``."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from agents import console, run_folder
from agents.cast import load_agent, measure_of
from agents.config import RunConfig, resolve
from baselines.policy import Policy
from baselines.registry import RANDOM_TIERS, make_baselines, make_random
from baselines.team import TeamPolicy
from baselines.yardstick import yardstick
from evaluation.comparison import Comparison, compare
from evaluation.table import show
from inventory.errors import InputError, choose, validated
from inventory.scenarios import SCENARIOS


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--checkpoint",
    is_flag=False,
    flag_value="newest",
    metavar="[RUN]",
    help="A run folder, or the .zip of a model in one; alone: the newest run under runs/.",
)
@click.option("--problem", help="With no checkpoint: baselines only, on this problem [cash].")
@click.option("--config", type=click.Path(path_type=Path), help="With no checkpoint: a YAML file.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="As for train.py.")
@click.option("--stores", type=int, metavar="N", help="The supply chain with so many stores.")
@click.option("--scenario", metavar="NAME", help=f"Of the supply chain: {', '.join(SCENARIOS)}.")
@click.option("--episodes", type=click.IntRange(2, 1_000_000), default=2000, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True)
@click.option(
    "--baselines",
    default="default",
    show_default=True,
    help="Names, separated by commas, or default, tuned, all, none.",
)
@click.option("--stochastic", is_flag=True, help="Sample the agent's actions.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def main(
    checkpoint: str | None,
    problem: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    stores: int | None,
    scenario: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Play all policies on the same fresh traces and print what each earns, with its interval."""
    folder: Path | None = None
    policies: dict[str, Policy] = {}
    if checkpoint is not None:
        if config is not None or assignments or stores is not None:
            raise InputError(
                "--config, --set and --stores change nothing about a checkpoint; leave them out"
            )
        folder, name = run_folder.find(checkpoint)
        run, agent = load_agent(folder, name)
        policies["checkpoint"] = agent
        if problem not in (None, run.settings.problem):
            raise InputError(
                f"--checkpoint {folder} is about the {run.settings.problem} problem, not {problem}"
            )
    else:
        if scenario is not None and problem is None and config is None:
            problem = "stores"
        run = resolve(
            {"problem": problem, "stores": stores}, config=config, assignments=assignments
        )
    if scenario is not None:
        run = _in_scenario(run, scenario)
    comparison = _compare(run, policies, **options)
    text = json.dumps(comparison.to_json(), indent=2, allow_nan=False)
    if folder is not None:
        suffix = "" if scenario is None else f"_{scenario}"
        run_folder.write_whole(folder / f"evaluation{suffix}.json", text.encode())
    if as_json:
        print(text)
    else:
        show(comparison)


def _in_scenario(run: RunConfig, scenario: str) -> RunConfig:
    """Return the run in a scenario of the supply chain, and as long as the scenario needs."""
    if run.settings.problem != "stores":
        raise InputError(f"--scenario has no meaning for {run.settings.problem}")
    by_name = {str(name): s for name, s in SCENARIOS.items()}
    needed = by_name[choose("scenario", scenario, by_name)].horizon or 0
    changed = {"scenario": scenario, "horizon": max(run.parameters.horizon, needed)}
    parameters = validated(type(run.parameters), {**run.parameters.model_dump(), **changed})
    return replace(run, parameters=parameters)


def _compare(
    run: RunConfig,
    policies: dict[str, Policy],
    *,
    baselines: str,
    episodes: int,
    seed: int,
    stochastic: bool,
) -> Comparison:
    names = [name.strip() for name in baselines.split(",")]
    s = run.settings
    total = measure_of(run)
    agent = policies.get("checkpoint")
    with console.screen.status("solving for the reference, tuning baselines, playing episodes"):
        baselines_made = make_baselines(s.problem, run.parameters, names, seed=seed, measure=total)
        baselines_made.setdefault("random", make_random(s.problem, seed, total))
        policies |= {n: _in_the_place_of(agent, p, total) for n, p in baselines_made.items()}
        measure = yardstick(s.problem, run.parameters, total)
        if measure.policy is not None:
            policies["optimum"] = measure.policy
        return compare(
            run.problem,
            run.parameters,
            policies,
            measure.reference,
            episodes=episodes,
            seed=seed,
            deterministic=not stochastic,
            observe_step=s.observation.step,
            measure=total,
        )


def _in_the_place_of(agent: Policy | None, baseline: Policy, total: str) -> Policy:
    """Return a baseline of one tier of the supply chain, with the other tiers as the agent has."""
    tier = RANDOM_TIERS.get(total)
    if tier is None or not (isinstance(agent, TeamPolicy) and isinstance(baseline, TeamPolicy)):
        return baseline
    others = {name: p for name, p in agent.players.items() if not name.startswith(tier)}
    return TeamPolicy({**others, tier: baseline.players[tier]}, agent.joint - {tier})


if __name__ == "__main__":
    console.run(main)
