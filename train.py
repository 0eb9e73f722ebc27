"""Train an agent: ``python train.py --algo dqn``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.options import InputFile, SettingsCommand, WholeNumber, file_options
from common import console
from common.errors import InputError

if TYPE_CHECKING:
    from agents.config import RunConfig
    from training.trainer import Trained


@click.command(cls=SettingsCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--algo", help="dqn, qrdqn, ppo, a2c, trpo, maskable_ppo, recurrent_ppo, dcl [dqn]")
@click.option("--problem", help="The problem to learn [cash].")
@click.option("--stores", type=WholeNumber(), help="The supply chain, with so many stores.")
@file_options
@click.option("--learn", help="In the supply chain: store, warehouse, supplier or all [store].")
@click.option("--policy", help="One model for the stores: shared, joint, or independent [shared].")
@click.option("--phases", "phases", metavar="1-4", help="Learn tier by tier, as stages of one run.")
@click.option(
    "--from",
    "start",
    type=click.Path(path_type=Path),
    help="A run whose models go on learning, or play whoever does not learn.",
)
@click.option("--recipe", help="Named settings in configs/<problem>.yaml [default].")
@click.option("--seed", type=WholeNumber(), help="Seed of everything random [0].")
@click.option(
    "--timesteps", type=WholeNumber(), help="Environment steps, over all worlds together."
)
@click.option("--n-envs", type=WholeNumber(), help="Worlds that are stepped at once.")
@click.option(
    "--config",
    type=InputFile(),
    help="A YAML file in the shape of configs/cash.yaml, or a run's config.yaml.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any setting by its dotted name, such as holding_cost=0.2; repeatable.",
)
@click.option(
    "--resume",
    "resumed",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="A run that was stopped or killed: go on from its last checkpoint.",
)
@click.option(
    "--checkpoint-every",
    type=WholeNumber(),
    metavar="STEPS",
    help="Steps from one checkpoint to the next [as often as costs at most 2% of the time].",
)
@click.option("--run-dir", type=click.Path(path_type=Path), help="An empty or new folder.")
@click.option("--device", help="cpu, cuda, mps or auto [cpu].")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def main(
    config: Path | None,
    assignments: tuple[str, ...],
    run_dir: Path | None,
    quiet: bool,
    phases: str | None,
    start: Path | None,
    resumed: Path | None,
    **flags: Any,
) -> int:
    """Train an agent on an inventory problem and write a run folder under runs/.

    Ctrl-C saves what was learned, and --resume goes on. Watch with: tensorboard --logdir runs
    """
    from agents import run_folder  # here: --help and a misspelt option answer at once
    from agents.config import resolve
    from training.phases import parse_phases, resolve_phases, train_phases
    from training.trainer import train

    if resumed is not None:
        return _resume(
            resumed,
            {**flags, "config": config, "set": assignments, "run_dir": run_dir, "phases": phases}
            | {"from": start},
            quiet=quiet,
        )
    if start is not None:
        try:
            start = run_folder.find(str(start))[0]
        except InputError as error:
            raise InputError(str(error).replace("--checkpoint", "--from", 1)) from None
    given: Any = {"config": config, "assignments": assignments}
    if phases is not None:
        numbers = parse_phases(phases)
        configs = resolve_phases(numbers, flags, **given)
        _describe(configs[0], quiet=quiet)
        folder, done = train_phases(numbers, configs, run_dir, start=start, quiet=quiet)
    else:
        run = resolve(flags, **given)
        _describe(run, quiet=quiet)
        done = [train(run, run_dir, start=start, quiet=quiet)]
        folder = done[0].folder
    return _finish(folder, done, quiet=quiet)


def _describe(config: "RunConfig", *, quiet: bool) -> None:
    from commands.evaluate import print_demand_summary

    if not quiet:
        print_demand_summary(config)


def _resume(folder: Path, options: dict[str, Any], *, quiet: bool) -> int:
    from training.resume import refuse_options, resume

    timesteps = options.pop("timesteps")
    refuse_options(options)
    folder, done = resume(folder, timesteps=timesteps, quiet=quiet)
    if not done:
        console.screen.print(f"{folder} is finished; --timesteps makes it longer", soft_wrap=True)
        return 0
    return _finish(folder, done, quiet=quiet)


def _finish(folder: Path, done: list["Trained"], *, quiet: bool) -> int:
    from agents import run_files, run_folder
    from commands.evaluate import show_supply_chain

    for trained in done:
        _tell(trained)
    say = console.screen.print
    show = not quiet and not done[-1].interrupted and (folder / run_files.CONFIG).is_file()
    if show and run_folder.read_config(folder).problem.totals:
        show_supply_chain(folder)
    onward = f"train.py --resume {folder}"
    onward = onward if done[-1].interrupted else f"evaluate.py --checkpoint {folder}"
    say(f"next: python {onward}", soft_wrap=True)
    return done[-1].status


def _tell(trained: "Trained") -> None:
    say = console.screen.print
    verb = "interrupted after" if trained.interrupted else "trained"
    say(f"{verb} {trained.steps:,} steps in {trained.seconds:.1f} s")
    if trained.best is not None:
        best = f"{trained.best.value:,.1f}{gap_in_words(trained.best.gap)}"
        say(f"best model on validation traces: return {best}")
    if trained.verdict:
        say(trained.verdict, soft_wrap=True, markup=False, highlight=False)
    say(f"saved in {trained.folder}", soft_wrap=True)


def gap_in_words(gap: float | None) -> str:
    """Return how far off the reference a model is, if it is better than random play."""
    if gap is None:
        return ""
    return f", {gap:.2%} short of the reference" if gap < 1.0 else ", no better than random play"


if __name__ == "__main__":
    console.run(main)
