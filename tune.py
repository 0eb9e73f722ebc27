"""Tune rules by simulation, or search hyperparameters: ``python tune.py --problem stores``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commands.command import heading, plugin_options
from commands.options import (
    NEWEST,
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
    from agents.tuned_file import TunedFile
    from common.shards import Workers


SEARCH = ("trials", "timesteps", "space", "sampler", "pruner", "storage", "confirm", "run_dir")
"""Options of a search of hyperparameters."""


@click.command(cls=SettingsCommand)
@heading("Problem")
@click.option(
    "--checkpoint",
    is_flag=False,
    flag_value=NEWEST,
    metavar="[RUN]",
    help="A run folder, whose problem is used; the results are kept there, for evaluate.py too.",
)
@click.option("--problem", help="Without --checkpoint: cash or stores [cash].")
@click.option("--stores", type=int, metavar="N", help="The supply chain, with this many stores.")
@plugin_options
@click.option("--config", type=InputFile(), help="Without --checkpoint: a YAML file.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="As for train.py.")
@file_options
@heading("Rules")
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="NAME",
    help="Rule to tune, with or without tuned_; repeatable, or separated by commas; all, or free "
    "(rules that order any quantity) [all].",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    help="Seed of the tuning traces [that of evaluate.py].",
)
@click.option("--textbook", is_flag=True, help="Instances with exact costs: NAMES, or all.")
@heading("Search of hyperparameters")
@click.option("--algo", metavar="NAME", help="Search this algorithm's hyperparameters instead.")
@click.option("--trials", type=WholeNumber(), metavar="N", help="With --algo: trials in all [50].")
@click.option(
    "--timesteps", type=WholeNumber(), help="With --algo: steps of a trial [the recipe's]."
)
@click.option("--space", type=InputFile(), help="With --algo: a YAML file [configs/search.yaml].")
@click.option("--sampler", metavar="NAME", help="With --algo: tpe, random or gp [tpe].")
@click.option(
    "--pruner", metavar="NAME", help="With --algo: hyperband, median or none [hyperband]."
)
@click.option(
    "--storage", metavar="URL", help="With --algo: a database of trials [a journal file]."
)
@click.option(
    "--confirm",
    type=WholeNumber(),
    metavar="SEEDS",
    help="With --algo: fresh seeds to compare the recipe found with the default one [5]; 0: none.",
)
@click.option(
    "--run-dir", type=click.Path(path_type=Path), help="With --algo: a new folder, or a study's."
)
@click.option("--quiet", is_flag=True, help="With --algo: show no progress.")
@heading("Run")
@worker_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.argument("names", nargs=-1)
def main(
    baselines: tuple[str, ...],
    seed: int | None,
    as_json: bool,
    textbook: bool,
    names: tuple[str, ...],
    checkpoint: str | None,
    problem: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    stores: int | None,
    algo: str | None,
    workers: int,
    cluster: str | None,
    quiet: bool,
    **options: Any,
) -> int:
    """Search each rule's parameters on separate traces, the same for all candidates.

    With --algo: an algorithm's hyperparameters, by Optuna; the best are written as a recipe for
    --config, and compared with the default ones. The same command continues a study.

    With --textbook: exit status 1 if a tuned rule costs more than the best of its kind.
    """
    own = {name: options.pop(name) for name in SEARCH}
    about = {"problem": problem, "stores": stores, **options}
    _check_options(algo, {**own, "quiet": quiet or None}, names, textbook=textbook)
    given = bool(config or assignments) or any(value is not None for value in about.values())
    if textbook:
        if checkpoint or given or baselines or algo or seed is not None:
            raise InputError("--textbook goes with --json alone")
        from commands.tuning.textbook import check_all_tuned  # here: --help answers at once

        sys.exit(not check_all_tuned(names, as_json=as_json))
    from baselines.tuning import TUNING_SEED
    from commands.tuning.rules import tune_named
    from common.shards import Workers

    seed = TUNING_SEED if seed is None else seed
    where = Workers(workers, cluster)
    if algo is not None:
        if checkpoint or baselines or as_json:
            raise InputError("--algo goes with neither --checkpoint nor --baseline nor --json")
        flags = {"algo": algo, **about}
        return _search(flags, config, assignments, seed, where, quiet=quiet, **own)
    if checkpoint and given:
        raise InputError("--checkpoint brings its problem; leave the other options out")
    run, file = _run_to_tune(checkpoint, about, config, assignments, seed)
    rules = tuple(name.strip() for text in baselines for name in text.split(",")) or ("all",)
    if "" in rules:
        raise InputError("--baseline: is empty; name rules, all or free")
    tune_named(run, rules, file, where, as_json=as_json)
    return 0


def _check_options(
    algo: str | None, own: dict[str, Any], names: tuple[str, ...], *, textbook: bool
) -> None:
    if algo is None:
        for name, value in own.items():
            if value is not None:
                raise InputError(f"--{name.replace('_', '-')}: goes with --algo, whose it is")
    if names and not textbook:
        raise InputError(f"{names[0]!r}: names are those of instances, after --textbook")


def _run_to_tune(
    checkpoint: str | None,
    about: dict[str, Any],
    config: Path | None,
    assignments: tuple[str, ...],
    seed: int,
) -> tuple["RunConfig", "TunedFile"]:
    from agents import run_files, run_folder
    from agents.config import resolve
    from agents.tuned_file import TunedFile

    if checkpoint:
        folder, _ = run_folder.find(checkpoint)
        kept = run_folder.root_of(folder, checkpoint) / run_files.TUNED
        return run_folder.read_config(folder), TunedFile(kept, seed)
    return resolve(about, config=config, assignments=assignments), TunedFile(None, seed)


def _search(
    flags: dict[str, Any],
    config: Path | None,
    assignments: tuple[str, ...],
    seed: int,
    workers: "Workers",
    *,
    quiet: bool,
    trials: int | None,
    timesteps: int | None,
    space: Path | None,
    sampler: str | None,
    pruner: str | None,
    storage: str | None,
    confirm: int | None,
    run_dir: Path | None,
) -> int:
    """Search hyperparameters and print the recipe found."""
    import time

    from agents.settings import MAX_SEEDS
    from commands.tuning import hyperparameters as search
    from common.console import INTERRUPTED, screen
    from training.search.space import read_space
    from training.search.study import StudyPlan

    named = time.strftime(f"runs/search__{flags['algo']}__%Y%m%d-%H%M%S")
    folder = run_dir or Path(named)
    plan = StudyPlan(
        folder=str(folder),
        flags={**flags, "timesteps": timesteps},
        config=None if config is None else str(config.resolve()),
        assignments=assignments,
        space=read_space(flags["algo"], space),
        storage=storage,
        sampler=sampler or "tpe",
        pruner=pruner or "hyperband",
        trials=50 if trials is None else trials,
        seed=seed,
    )
    if plan.trials < 1:
        raise InputError(f"--trials {plan.trials}: must be at least 1")
    seeds = 5 if confirm is None else confirm
    if not 0 <= seeds <= MAX_SEEDS:
        raise InputError(f"--confirm {seeds}: must be from 0 to {MAX_SEEDS:,} fresh seeds")
    search.begin(plan)
    onward = f"{folder} keeps what was tried; go on with the same command and --run-dir {folder}"
    try:
        study = search.search(plan, workers, quiet=quiet)
    except KeyboardInterrupt:
        screen.print(f"interrupted; {onward}", soft_wrap=True)
        return INTERRUPTED
    best = search.write_results(study, plan)
    confirmed, status = (
        search.confirm(plan, best, seeds, workers, quiet=quiet) if seeds else ([], 0)
    )
    if status:
        screen.print(f"interrupted; {onward}", soft_wrap=True)
        return status
    search.show(study, plan, confirmed)
    return 0


if __name__ == "__main__":
    console.run(main)
