"""Tune rules by simulation, with nothing to learn: ``python tune.py --problem stores``."""

import sys
from pathlib import Path
from typing import Any

import click

from commands.options import NEWEST, InputFile, SettingsCommand, file_options
from common import console
from common.errors import InputError


@click.command(cls=SettingsCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--checkpoint",
    is_flag=False,
    flag_value=NEWEST,
    metavar="[RUN]",
    help="A run folder, for its problem; what is found is kept there, for evaluate.py too.",
)
@click.option("--problem", help="With no checkpoint: cash or stores [cash].")
@click.option("--config", type=InputFile(), help="With no checkpoint: a YAML file.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="As for train.py.")
@click.option("--stores", type=int, metavar="N", help="The supply chain with so many stores.")
@file_options
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="NAME",
    help="With or without tuned_; several, or with commas; all, free (any quantity) [all].",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    help="Of the tuning traces [that of evaluate.py].",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--textbook", is_flag=True, help="Instances with exact costs: NAMES, or all.")
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
    **days: Any,
) -> None:
    """Search each rule's parameters on traces of their own, the same for all candidates.

    With --textbook: exit status 1 where a tuned rule costs more than the best of its kind.
    """
    given = problem or config or assignments or stores is not None or any(days.values())
    if names and not textbook:
        raise InputError(f"{names[0]!r}: names are those of instances, after --textbook")
    if textbook:
        if checkpoint or given or baselines or seed is not None:
            raise InputError("--textbook goes with --json alone")
        from commands.textbook import check_all_tuned  # here: --help answers at once

        sys.exit(not check_all_tuned(names, as_json=as_json))
    from agents import run_files, run_folder
    from agents.config import resolve
    from agents.tuned_file import TunedFile
    from baselines.tuning import TUNING_SEED
    from commands.tune import tune_named

    seed = TUNING_SEED if seed is None else seed
    if checkpoint:
        if given:
            raise InputError("--checkpoint brings its problem; leave the other options out")
        folder, _ = run_folder.find(checkpoint)
        run = run_folder.read_config(folder)
        file = TunedFile(run_folder.root_of(folder, checkpoint) / run_files.TUNED, seed)
    else:
        flags = {"problem": problem, "stores": stores, **days}
        run = resolve(flags, config=config, assignments=assignments)
        file = TunedFile(None, seed)
    names = tuple(name.strip() for text in baselines for name in text.split(",")) or ("all",)
    if "" in names:
        raise InputError("--baseline: is empty; name rules, all or free")
    tune_named(run, names, file, as_json=as_json)


if __name__ == "__main__":
    console.run(main)
