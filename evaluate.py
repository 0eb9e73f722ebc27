"""Hold an agent against the optimum and tuned baselines: ``python evaluate.py --checkpoint``."""

import json
from pathlib import Path
from typing import Any

import click

from agents import console, run_folder
from agents.cast import load_agent
from agents.config import RunConfig, resolve
from baselines.policy import Policy
from baselines.registry import make_baselines
from baselines.yardstick import yardstick
from evaluation.comparison import Comparison, compare
from evaluation.table import show
from inventory.errors import InputError


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
    as_json: bool,
    **options: Any,
) -> None:
    """Play all policies on the same fresh traces and print what each earns, with its interval."""
    folder: Path | None = None
    policies: dict[str, Policy] = {}
    if checkpoint is not None:
        if config is not None or assignments:
            raise InputError("--config and --set change nothing about a checkpoint; leave them out")
        folder, name = run_folder.find(checkpoint)
        run, agent = load_agent(folder, name)
        policies["checkpoint"] = agent
        if problem not in (None, run.settings.problem):
            raise InputError(
                f"--checkpoint {folder} is about the {run.settings.problem} problem, not {problem}"
            )
    else:
        run = resolve({"problem": problem}, config=config, assignments=assignments)
    comparison = _compare(run, policies, **options)
    text = json.dumps(comparison.to_json(), indent=2, allow_nan=False)
    if folder is not None:
        run_folder.write_whole(folder / "evaluation.json", text.encode())
    if as_json:
        print(text)
    else:
        show(comparison)


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
    with console.screen.status("solving for the reference, tuning baselines, playing episodes"):
        policies |= make_baselines(s.problem, run.parameters, names, seed=seed)
        measure = yardstick(s.problem, run.parameters)
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
        )


if __name__ == "__main__":
    console.run(main)
