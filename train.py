"""Train an agent: ``python train.py --algo dqn``."""

from pathlib import Path
from typing import Any

import click

from agents import console
from agents.config import resolve
from agents.training import Trained, train


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--algo", help="dqn, qrdqn, ppo, a2c, trpo, maskable_ppo, recurrent_ppo [dqn]")
@click.option("--problem", help="The problem to learn [cash].")
@click.option("--recipe", help="Named settings in configs/<problem>.yaml [default].")
@click.option("--seed", type=int, help="Seed of everything random [0].")
@click.option("--timesteps", type=int, help="Environment steps, over all worlds together.")
@click.option("--n-envs", type=int, help="Worlds that are stepped at once.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="A YAML file in the shape of configs/cash.yaml, or a run's config.yaml.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any setting by its dotted name, such as holding_cost=0.2; repeatable.",
)
@click.option("--run-dir", type=click.Path(path_type=Path), help="An empty or new folder.")
@click.option("--device", help="cpu, cuda, mps or auto [cpu].")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def main(
    config: Path | None,
    assignments: tuple[str, ...],
    run_dir: Path | None,
    quiet: bool,
    **flags: Any,
) -> int:
    """Train an agent on an inventory problem and write a run folder under runs/.

    Ctrl-C saves what was learned. Watch with: tensorboard --logdir runs
    """
    run = resolve(flags, config=config, assignments=assignments)
    trained = train(run, run_dir, quiet=quiet)
    _tell(trained)
    return console.INTERRUPTED if trained.interrupted else 0


def _tell(trained: Trained) -> None:
    say = console.screen.print
    verb = "interrupted after" if trained.interrupted else "trained"
    say(f"{verb} {trained.steps:,} steps in {trained.seconds:.1f} s")
    if trained.best is not None:
        gap = "" if trained.best.gap is None else f", {trained.best.gap:.2%} short of the reference"
        say(f"best model on validation traces: return {trained.best.value:,.1f}{gap}")
    say(f"saved in {trained.folder}", soft_wrap=True)
    say(f"next: python evaluate.py --checkpoint {trained.folder}", soft_wrap=True)


if __name__ == "__main__":
    console.run(main)
