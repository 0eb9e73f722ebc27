"""Hold an agent against the optimum and tuned baselines: ``python evaluate.py --checkpoint``."""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from agents import console, run_folder
from agents.cast import load_agent
from agents.config import resolve
from agents.contest import hold_against, in_scenario, tiers_by_phase, write_evaluation
from baselines.policy import Policy
from evaluation.table import show
from evaluation.tiers import TierResults, tier_table
from inventory.errors import InputError
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
    root: Path | None = None
    policies: dict[str, Policy] = {}
    if checkpoint is not None:
        if config is not None or assignments or stores is not None:
            raise InputError(
                "--config, --set and --stores change nothing about a checkpoint; leave them out"
            )
        folder, name = run_folder.find(checkpoint)
        root = run_folder.root_of(folder, checkpoint)
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
        run = in_scenario(run, scenario)
    comparison = hold_against(run, policies, **options)
    tiers: TierResults | None = None
    if root is not None:
        counts = {name: options[name] for name in ("episodes", "seed")}
        tiers = tiers_by_phase(root, scenario, **counts)
        text = write_evaluation(root, comparison, tiers, scenario)
    else:
        text = json.dumps(comparison.to_json(), indent=2, allow_nan=False)
    if as_json:
        print(text)
        return
    show(comparison)
    if tiers is not None:
        Console().print(tier_table(tiers))


if __name__ == "__main__":
    console.run(main)
