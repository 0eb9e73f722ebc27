"""A trained policy for other programs: ``python export.py --checkpoint RUN --onnx FOLDER``."""

from pathlib import Path

import click

from commands.command import GroupedCommand
from commands.options import NEWEST
from common import console
from common.errors import InputError


@click.command(cls=GroupedCommand)
@click.option(
    "--checkpoint",
    default=NEWEST,
    is_flag=False,
    flag_value=NEWEST,
    metavar="[RUN]",
    help="A run folder [the newest].",
)
@click.option(
    "--onnx",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder for one graph per network: raw observations in, actions and quantities out. For "
    "a run on demand from a file, and for a recommended rule, serve.py takes the folder as "
    "--checkpoint, without torch.",
)
@click.option(
    "--states",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    help="Number of random states on which every action must equal torch's.",
)
@click.option("--baseline", help="The rule beside the policy [the best before the split].")
def main(checkpoint: str, folder: Path, states: int, baseline: str | None) -> None:
    """Write a run's networks as ONNX, checked against torch, or the rule that it recommends."""
    try:
        from service.onnx_export import export  # here: --help answers at once
    except ModuleNotFoundError as error:
        raise InputError(f"--onnx needs {error.name}; pip install -e '.[onnx]'") from None
    if not folder.parent.is_dir():
        raise InputError(f"--onnx {folder}: there is no folder {folder.parent}; make it first")
    with console.screen.status("exporting, and checking every action"):
        made = export(checkpoint, folder, states=states, baseline=baseline)
    for path, count in made.items():
        print(f"{path}: as torch on {count:,} states, every action")
    if not made:
        print(f"{folder}: all that the recommended rule needs; serve.py --checkpoint {folder}")


if __name__ == "__main__":
    console.run(main)
