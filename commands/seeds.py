"""Several seeds of one recipe: what became of each, and what the recipe is worth."""

from pathlib import Path

from rich.table import Table

from commands.evaluate import checkpoints_from_options, evaluate_policies, write_evaluation
from training.seeds import TrainedSeed


def seed_table(done: list[TrainedSeed]) -> Table:
    """Return a row for every seed: its steps and seconds, its best model, or why it failed."""
    table = Table(box=None, pad_edge=False)
    for heading in ("seed", "steps", "seconds", "validation", "gap"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for one in done:
        table.add_row(str(one.seed), *_cells(one), _remark(one))
    return table


def _cells(one: TrainedSeed) -> tuple[str, str, str, str]:
    if not one.trained:
        return "", "", "", ""
    best = one.trained[-1].best
    steps = sum(part.steps for part in one.trained)
    seconds = sum(part.seconds for part in one.trained)
    value = "" if best is None else f"{best.value:,.1f}"
    gap = "" if best is None or best.gap is None else f"{best.gap:.2%}"
    return f"{steps:,}", f"{seconds:,.1f}", value, gap


def _remark(one: TrainedSeed) -> str:
    if one.failed:
        return f"failed: {one.failed}"
    if not one.trained:
        return "was finished"
    return "interrupted" if one.trained[-1].interrupted else ""


def compare_seeds(root: Path) -> None:
    """Play all seeds of a folder on the same traces, print the comparison and write it there."""
    loaded = checkpoints_from_options(
        None, checkpoints=(str(root),), problem=None, config=None, assignments=(), stores=None
    )
    results = evaluate_policies(loaded).results
    results.show()
    write_evaluation(root, results)
