"""The further tables of a report, and all of its numbers as CSV files."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.console import spreadsheet_file
from evaluation.reliability import aggregates, performance_profile
from evaluation.report.contents import ReportContents
from evaluation.report.figures.profiles import POINTS
from evaluation.statistics import number

MOST_ROWS = 60
"""Most rows of a table that the page shows; its CSV has all."""

Cell = str | float | None


@dataclass(frozen=True)
class ReportTable:
    """A table of a report.

    Attributes
    ----------
    name : str
        Name of its section and of its CSV file.
    heading, caption : str
        Heading and caption on the page.
    columns : list of str
        Headings of the columns.
    rows : list
        Cells; None for an empty one.
    digits : int
        Number of decimals on the page.
    formats : tuple of str
        Formats of each column's numbers in place of `digits`, such as ``",.0f"``; "" for
        `digits`.
    own : int or None
        The row that the report is about.
    """

    name: str
    heading: str
    caption: str
    columns: list[str]
    rows: list[list[Cell]]
    digits: int = 1
    formats: tuple[str, ...] = ()
    own: int | None = None

    @property
    def shown(self) -> list[list[tuple[str, bool]]]:
        """The rows as the page shows them: cells, and whether they are words."""
        return [
            [(self._text(cell, column), isinstance(cell, str)) for column, cell in enumerate(row)]
            for row in self.rows[:MOST_ROWS]
        ]

    def _text(self, cell: Cell, column: int) -> str:
        if cell is None or isinstance(cell, str):
            return cell or ""
        own = self.formats[column] if column < len(self.formats) else ""
        return format(cell, own) if own else number(cell, self.digits)

    def to_csv(self) -> bytes:
        """Return the table as CSV."""
        return _csv(self.columns, self.rows)


def tables_of(contents: ReportContents) -> list[ReportTable]:
    """Return the tables that are not empty."""
    made = (_over_seeds(contents), _places(contents), _phases(contents))
    return [table for table in made if table is not None]


def csv_files(contents: ReportContents, tables: list[ReportTable]) -> dict[str, bytes]:
    """Return all numbers of the page, as CSV files by name."""
    files = {
        "policies.csv": spreadsheet_file(contents.results.to_csv()),
        "episodes.csv": _episodes(contents),
        **{f"{table.name}.csv": table.to_csv() for table in tables},
    }
    if contents.logs:
        files["training.csv"] = _csv(["run", "phase", "model", "tag", "step", "value"],
                                     _logged(contents))  # fmt: skip
    parts = [
        [name, whose, part, value]
        for name, record in contents.records.items()
        for whose, own in record.parts.items()
        for part, value in own.items()
    ]
    if parts:
        files["parts.csv"] = _csv(["policy", "whose", "part", "mean"], parts)
    if contents.results.seeds is not None:
        files["profiles.csv"] = _profiles(contents)
        files["improvement.csv"] = _improvement(contents)
    return files


def _csv(columns: list[str], rows: Any) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return spreadsheet_file(file.getvalue())


def _over_seeds(contents: ReportContents) -> ReportTable | None:
    """Return the table of aggregates over seeds, with bootstrap intervals."""
    if contents.results.seeds is None:
        return None
    scores, _, what = contents.scores
    rows: list[list[Cell]] = []
    normalised = contents.comparison.reference is not None
    for name, interval in aggregates(np.array(list(scores.values()))).items():
        if name == "optimality gap" and not normalised:
            continue
        rows.append([name, interval.value, *(interval.ci95 or (None, None))])
    caption = f"Of each seed's {what}. "
    if normalised:
        caption += "The optimality gap is how far scores are from 1 on average, better ones as 1. "
    caption += "Intervals: bootstrap over seeds, too narrow where the seeds are few."
    columns = ["over seeds", "value", "95% from", "95% to"]
    return ReportTable("seeds", "Over seeds", caption, columns, rows, 4 if normalised else 2)


def _places(contents: ReportContents) -> ReportTable | None:
    """Return the table of totals of every store, the warehouse and the supplier, by policy."""
    records = contents.records
    first = [n for n in (contents.agent, contents.rival, contents.today) if n is not None]
    names: list[str] = list(dict.fromkeys([*(n for n in first if n in records), *records]))
    metrics = list(
        dict.fromkeys(m for n in names for own in records[n].places.values() for m in own)
    )
    if not metrics:
        return None
    places = dict.fromkeys(place for n in names for place in records[n].places)
    rows: list[list[Cell]] = [
        [place, name, *(records[name].places.get(place, {}).get(m) for m in metrics)]
        for place in places
        for name in names
    ]
    caption = "Means per episode, stocks per day."
    if len(rows) > MOST_ROWS:
        caption += f" The first {MOST_ROWS} of {len(rows):,} rows; stores.csv has all."
    return ReportTable("stores", "Store by store", caption, ["place", "policy", *metrics], rows)


def _phases(contents: ReportContents) -> ReportTable | None:
    """Return the table of every tier's return, before and after each phase."""
    tiers = contents.results.tiers
    if tiers is None:
        return None
    rows: list[list[Cell]] = []
    for stage, own in tiers.estimates.items():
        changes = tiers.changes.get(stage, {})
        for tier, estimate in own.items():
            row: list[Cell] = [stage, tier, estimate.mean, *estimate.ci95]
            change = changes.get(tier)
            row += [None] * 3 if change is None else [change.mean, *change.ci95]
            rows.append(row)
    columns = ["after", "tier", "mean return", "95% from", "95% to"]
    columns += ["change", "its 95% from", "its 95% to"]
    caption = (
        f"{tiers.episodes:,} episodes, seed {tiers.seed}. Change: from the phase before, paired on "
        "the same episodes."
    )
    return ReportTable("phases", "Phase by phase", caption, columns, rows)


def _logged(contents: ReportContents) -> Iterator[list[Cell]]:
    for log in contents.logs:
        for tag, (steps, values) in log.columns.items():
            for step, value in zip(steps.tolist(), values.tolist(), strict=True):
                yield [log.run, log.phase, log.player, tag, int(step), value]


def _episodes(contents: ReportContents) -> bytes:
    policies = contents.comparison.policies
    rows = zip(*(policies[name].returns.tolist() for name in policies), strict=True)
    return _csv(["episode", *policies], [[i, *row] for i, row in enumerate(rows, 1)])


def _profiles(contents: ReportContents) -> bytes:
    scores = np.array(list(contents.scores[0].values()))
    pad = 0.05 * max(float(np.ptp(scores)), 1e-9 * max(1.0, float(np.abs(scores).max())))
    found = performance_profile(scores, np.linspace(scores.min() - pad, scores.max() + pad, POINTS))
    columns = (found.thresholds, found.share, found.low, found.high)
    return _csv(["score", "share_above", "ci95_low", "ci95_high"], np.stack(columns, 1).tolist())


def _improvement(contents: ReportContents) -> bytes:
    seeds = contents.results.seeds
    rows = []
    for name in contents.policies if seeds else ():
        if seeds is not None and name in seeds.rivals:
            for what, found in (("seeds", contents.improvement(name)),
                                ("episodes", seeds.rivals[name].better_episodes)):  # fmt: skip
                rows.append([name, what, found.value, *(found.ci95 or (None, None))])
    return _csv(["rival", "over", "probability", "ci95_low", "ci95_high"], rows)
