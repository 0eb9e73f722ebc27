"""Orders as they leave: CSV or JSON, on standard output or in a file, and a database."""

import csv
import io
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commands.database.database import Database
from common.console import screen, spreadsheet_cell, spreadsheet_file
from common.errors import and_more
from common.files import write_whole

Rows = Sequence[dict[str, Any]]
MOST_NAMED, MOST_REASONS = 3, 10


def write_orders(
    rows: Rows, output: Path | None, *, as_json: bool, tables: Database | None, run: str
) -> None:
    """Write the orders everywhere they are wanted, or nowhere.

    Parameters
    ----------
    rows : sequence of dict
        As `commands.decide.decide` returns them.
    output : Path, optional
        A file; by default standard output.
    as_json : bool
        JSON in place of CSV.
    tables : Database, optional
        Its table of orders is written too.
    run : str
        The policy's run.

    Raises
    ------
    InputError, OSError
        If one of them cannot be written; the others are as before then.
    """
    if tables is None:
        return _deliver(rows, output, as_json=as_json)
    with _restored_on_error(output), tables.orders_replaced(rows, run) as replaced:
        if replaced:
            screen.print(replaced, soft_wrap=True)
        _deliver(rows, output, as_json=as_json)
    return None


def _deliver(rows: Rows, output: Path | None, *, as_json: bool) -> None:
    text = json.dumps(rows, indent=2, allow_nan=False) + "\n" if as_json else as_csv(rows)
    if output is not None:
        return write_whole(output, text.encode() if as_json else spreadsheet_file(text))
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")  # a file, whatever the locale
    print(text, end="")
    sys.stdout.flush()
    return None


@contextmanager
def _restored_on_error(output: Path | None) -> Iterator[None]:
    """Put a file back as it was if what follows fails."""
    before = output.read_bytes() if output is not None and output.is_file() else None
    try:
        yield
    except BaseException:
        if before is not None and output is not None:
            write_whole(output, before)
        elif output is not None:
            output.unlink(missing_ok=True)
        raise


def as_csv(rows: Rows) -> str:
    """Return a table; texts that a spreadsheet would take for a formula begin with a ``'``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows(zip(*(_safe([row[name] for row in rows]) for name in rows[0]), strict=True))
    return text.getvalue()


def _safe(column: list[Any]) -> list[Any]:
    """Return a column whose texts no spreadsheet takes for formulas."""
    safe = {text: spreadsheet_cell(text) for text in set(column) if isinstance(text, str)}
    return [safe.get(cell, cell) for cell in column] if safe else column


def report_held_back(rows: Rows) -> int:
    """Say on standard error which orders are held back, and why; return how many."""
    held = [row for row in rows if row["held_back"]]
    by_reason: dict[str, list[str]] = {}
    for row in held:
        by_reason.setdefault(row["held_back"], []).append(f"{row['store']} {row['sku']}")
    for reason, names in itertools.islice(by_reason.items(), MOST_REASONS):
        named = f"{', '.join(names[:MOST_NAMED])}{and_more(len(names) - MOST_NAMED)}"
        screen.print(f"held back: {named}: {reason}", soft_wrap=True)
    if len(by_reason) > MOST_REASONS:
        left = sum(map(len, list(by_reason.values())[MOST_REASONS:]))
        screen.print(f"held back: {left:,} more, whose reasons are in held_back", soft_wrap=True)
    if held:
        screen.print(
            f"{len(held)} of {len(rows)} orders held back; --allow writes them", soft_wrap=True
        )
    return len(held)
