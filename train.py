"""Train an agent: ``python train.py --algo dqn``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.command import heading, plugin_options
from commands.options import (
    InputFile,
    SettingsCommand,
    WholeNumber,
    file_options,
    worker_options,
)
from common import console
from common.errors import InputError

if TYPE_CHECKING:
    from agents.config import RunConfig
    from common.shards import Workers
    from training.seeds import TrainedSeed
    from training.trainer import Trained


class TrainCommand(SettingsCommand):
    """The command, within a run of Weights & Biases if asked for."""

    allow_extra_args = True  # to say which option a name without one belongs to

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, which are options alone."""
        for name in super().parse_args(ctx, args):
            from agents.algorithms import ALGORITHMS  # here: only a mistake has to wait for it

            meant = f"; say --algo {name}" if name in ALGORITHMS else ", such as --problem"
            raise InputError(f"{name!r}: an option is missing before it{meant}")
        return ctx.args

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        project: str | None = ctx.params.pop("wandb", None)
        if project is None:
            return super().invoke(ctx)
        from training.logger import wandb_run

        with wandb_run(project):
            return super().invoke(ctx)


@click.command(cls=TrainCommand)
@heading("Problem")
@click.option("--problem", help="The problem to learn [cash].")
@click.option("--stores", type=WholeNumber(), help="The supply chain, with this many stores.")
@plugin_options
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
@file_options
@heading("Agent")
@click.option("--algo", help="dqn, qrdqn, ppo, a2c, trpo, maskable_ppo, recurrent_ppo, dcl [dqn]")
@click.option("--recipe", help="Named settings in configs/<problem>.yaml [default].")
@click.option("--learn", help="In the supply chain: store, warehouse, supplier or all [store].")
@click.option("--policy", help="One model for the stores: shared, joint, or independent [shared].")
@click.option("--phases", "phases", metavar="1-4", help="Learn tier by tier, as stages of one run.")
@click.option(
    "--from",
    "start",
    type=click.Path(path_type=Path),
    help="A run whose models go on learning, or play the agents that do not learn.",
)
@heading("Run")
@click.option("--timesteps", type=WholeNumber(), help="Environment steps, summed over all worlds.")
@click.option("--n-envs", type=WholeNumber(), help="Number of worlds stepped at once.")
@click.option("--seed", type=WholeNumber(), help="Seed of everything random [0].")
@click.option("--seeds", metavar="0-9", help="A run for each of these seeds, and a comparison.")
@worker_options
@click.option("--device", help="cpu, cuda, mps or auto [cpu].")
@click.option("--run-dir", type=click.Path(path_type=Path), help="Folder of the run, empty or new.")
@click.option(
    "--resume",
    "resumed",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Continue a run that was stopped or killed, from its last checkpoint.",
)
@click.option(
    "--checkpoint-every",
    type=WholeNumber(),
    metavar="STEPS",
    help="Steps between checkpoints [as few as take at most 2% of the time].",
)
@heading("Output")
@click.option(
    "--wandb", metavar="PROJECT", help="Also send TensorBoard's values to Weights & Biases."
)
@click.option("--quiet", is_flag=True, help="Show no progress, and no evaluation when done.")
def main(
    config: Path | None,
    assignments: tuple[str, ...],
    run_dir: Path | None,
    quiet: bool,
    phases: str | None,
    start: Path | None,
    resumed: Path | None,
    seeds: str | None,
    workers: int,
    cluster: str | None,
    **flags: Any,
) -> int:
    """Train an agent on an inventory problem and write a run folder under runs/.

    Ctrl-C saves what was learned, and --resume goes on. Watch with: tensorboard --logdir runs
    """
    from agents import run_folder  # here: --help and a misspelt option answer at once
    from agents.config import resolve
    from common.shards import Workers
    from common.sharing import share_out
    from training.phases import (
        check_tuned_together,
        parse_phases,
        resolve_phases,
        train_phases,
    )
    from training.seeds import parse_seeds, train_seeds
    from training.trainer import train

    where = Workers(workers, cluster)
    if resumed is not None:
        others = {"config": config, "set": assignments, "run_dir": run_dir, "phases": phases}
        more = {"from": start, "seeds": seeds}
        return _resume(resumed, {**flags, **others, **more}, where, quiet=quiet)
    numbers = None if seeds is None else parse_seeds(seeds)
    seeded = flags["seed"] is not None or any(one.startswith("seed=") for one in assignments)
    if numbers is not None and seeded:
        raise InputError("--seed: --seeds names the seeds; leave one of the two out")
    if start is not None:
        try:
            start = run_folder.find(str(start))[0]
        except InputError as error:
            raise InputError(str(error).replace("--checkpoint", "--from", 1)) from None
    given: Any = {"config": config, "assignments": assignments}
    stages = None if phases is None else parse_phases(phases)
    configs = resolve_phases(stages, flags, **given) if stages else [resolve(flags, **given)]
    if not stages and (note := check_tuned_together(configs[0], assignments, config)):
        console.screen.print(note, soft_wrap=True)
    if numbers is None:
        _check_shared_out(configs[0], where)
    _describe(configs[0], quiet=quiet)
    if numbers is not None:
        beside: Any = {"phases": stages or (), "start": start, "workers": where}
        return _finish_seeds(*train_seeds(numbers, configs, run_dir, **beside, quiet=quiet))
    with share_out(where):
        if stages is not None:
            folder, trained = train_phases(stages, configs, run_dir, start=start, quiet=quiet)
        else:
            trained = [train(configs[0], run_dir, start=start, quiet=quiet)]
            folder = trained[0].folder
    return _finish(folder, trained, quiet=quiet)


def _check_shared_out(config: "RunConfig", workers: "Workers") -> None:
    """Refuse workers for a single run whose algorithm has no work to share out."""
    if workers.here or "workers" in type(config.hyperparameters).model_fields:
        return
    option = "--cluster" if workers.cluster else "--workers"
    raise InputError(
        f"{option}: shares out the seeds of --seeds and the labels of --algo dcl; name seeds, such "
        "as --seeds 0-9, or leave it out"
    )


def _describe(config: "RunConfig", *, quiet: bool) -> None:
    from commands.evaluate import print_demand_summary

    if not quiet:
        print_demand_summary(config)


def _resume(folder: Path, options: dict[str, Any], workers: "Workers", *, quiet: bool) -> int:
    from agents.run_folder import holds_seeds, read_config
    from common.sharing import share_out
    from training.resume import refuse_options, resume
    from training.seeds import resume_seeds

    timesteps = options.pop("timesteps")
    refuse_options(options)
    if holds_seeds(folder):
        again = resume_seeds(folder, timesteps=timesteps, workers=workers, quiet=quiet)
        return _finish_seeds(folder, *again)
    if not workers.here:
        _check_shared_out(read_config(folder), workers)
    with share_out(workers):
        folder, done = resume(folder, timesteps=timesteps, quiet=quiet)
    if not done:
        console.screen.print(f"{folder} is finished; --timesteps makes it longer", soft_wrap=True)
        return 0
    return _finish(folder, done, quiet=quiet)


def _finish(folder: Path, done: list["Trained"], *, quiet: bool) -> int:
    from agents import run_files
    from commands.evaluate import show_trained

    for trained in done:
        _tell(trained)
    say = console.screen.print
    shown = not quiet and not done[-1].interrupted and (folder / run_files.CONFIG).is_file()
    if shown:
        show_trained(folder)
    onward = f"train.py --resume {folder}"
    if not done[-1].interrupted:  # what was shown needs no second table, but a page with pictures
        onward = f"evaluate.py --checkpoint {folder}{' --report' if shown else ''}"
    say(f"next: python {onward}{_own_code()}", soft_wrap=True)
    return done[-1].status


def _finish_seeds(folder: Path, done: list["TrainedSeed"], status: int) -> int:
    """Print the result of each seed, then compare them with the rules."""
    from commands.seeds import compare_seeds, seed_table

    say = console.screen.print
    say(seed_table(done))
    failed = any(one.failed for one in done)
    onward = f"train.py --resume {folder}" if status else f"evaluate.py --checkpoint {folder}"
    if not (status or all(one.failed for one in done)):
        compare_seeds(folder)
    say(f"saved in {folder}", soft_wrap=True)
    say(f"next: python {onward}", soft_wrap=True)
    return status or (console.NOT_FINITE if failed else 0)


def _own_code() -> str:
    """Return the options that name users' code, which the next command needs again."""
    context = click.get_current_context(silent=True)
    own = context.meta.get("own_code", ()) if context else ()
    return "".join(f" {option}" for option in own)


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
    """Return a model's distance to the reference, if it is better than random play."""
    if gap is None:
        return ""
    return f", {gap:.2%} short of the reference" if gap < 1.0 else ", no better than random play"


if __name__ == "__main__":
    console.run(main)
