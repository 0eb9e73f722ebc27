"""The report of a run: its comparison, how it learned, what it was, as a page and pictures."""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np

from agents import run_files, run_folder
from commands.checkpoints import LoadedCheckpoints
from commands.evaluate import Evaluation
from common.errors import InputError
from common.files import read_bytes, write_whole
from evaluation.report.contents import Curve, ReportContents
from evaluation.report.page import build
from evaluation.report.views import view_of

MOST_BYTES = 50_000_000
"""Of a log that curves are read from."""

STEPS, SCORE, GAP = "time/total_timesteps", "evaluation/return", "evaluation/gap"


def write_report(
    loaded: LoadedCheckpoints,
    evaluation: Evaluation,
    scenario: str | None = None,
    *,
    stochastic: bool = False,
) -> Path:
    """Write ``report.html``, and the pictures as PNG under ``report/``, into a run's folder.

    The report of several seeds, ``report_seeds.html``, is written into the first one's; that of
    another scenario bears its name.

    Returns
    -------
    Path
        The page.
    """
    folder = loaded.home or loaded.folders[0]
    stem = run_files.report_stem(seeds=bool(loaded.seeds), scenario=scenario)
    page, files = build(_contents(loaded, evaluation, scenario, stochastic=stochastic))
    pictures = folder / stem
    if pictures.is_symlink():
        raise InputError(f"{pictures}: is a symbolic link; remove it")
    pictures.mkdir(exist_ok=True)
    for name, content in files.items():
        write_whole(pictures / name, content)
    write_whole(folder / f"{stem}.html", page.encode())
    return folder / f"{stem}.html"


def _contents(
    loaded: LoadedCheckpoints, evaluation: Evaluation, scenario: str | None, *, stochastic: bool
) -> ReportContents:
    run = loaded.run
    s = run.settings
    what = f"{len(loaded.seeds)} seeds of {s.algo}" if loaded.seeds else s.algo
    where = f", scenario {scenario}" if scenario else ""
    versions = run_folder.read_versions(run_folder.last_phase(loaded.folders[0]))
    folders = "\n".join(str(folder) for folder in loaded.folders)
    return ReportContents(
        title=f"{what} on {s.problem}{where}: {(loaded.home or loaded.folders[0]).resolve().name}",
        problem=run.problem,
        parameters=run.parameters,
        view=view_of(run.problem),
        policies=evaluation.policies,
        results=evaluation.results,
        records=evaluation.records,
        curves=tuple(curve for folder in loaded.folders for curve in read_curves(folder)),
        facts={
            "Configuration": run.to_yaml(),
            "Trained with": json.dumps(versions, indent=2),
            "Evaluated with": json.dumps(run_folder.versions(), indent=2),
            "Run": folders,
            "All numbers": evaluation.results.text(),
        },
        observe_step=s.observation.step,
        deterministic=not stochastic,
    )


def read_curves(folder: Path) -> list[Curve]:
    """Return how a run learned: one curve, or one per phase; none where no log can be read."""
    curves = []
    for home in run_folder.phases(folder) or [folder]:
        label = _phase(home) if home != folder else "agent"
        logs = [
            home / run_files.PROGRESS,
            *sorted((home / run_files.PLAYERS).glob(f"*/{run_files.PROGRESS}")),
        ]
        found = [curve for log in logs if (curve := _read_curve(log, label)) is not None]
        curves += found[:1]  # learners that take turns are scored together, in the first one's log
    return curves


def _phase(home: Path) -> str:
    """Return the name of a phase, and which tier learned in it."""
    tier = run_folder.read_config(home).settings.team.learn
    return f"{home.name.replace('_', ' ')}: {'stores' if tier == 'store' else tier}"


def _read_curve(log: Path, label: str) -> Curve | None:
    """Return the scores in a ``progress.csv``, or None where there are none."""
    try:
        text = read_bytes(log, MOST_BYTES).decode()
        rows = list(csv.DictReader(io.StringIO(text)))
    except (InputError, UnicodeError, csv.Error):
        return None
    table = [[_number(row.get(name)) for name in (STEPS, SCORE, GAP)] for row in rows]
    known = {row[0]: row for row in table if math.isfinite(row[0]) and math.isfinite(row[1])}
    if not known:
        return None
    steps, returns, gaps = np.array([known[step] for step in sorted(known)]).T
    return Curve(label, steps, returns, gaps)


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
