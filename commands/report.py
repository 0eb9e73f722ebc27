"""The report of a run: its comparison, how it learned, what it was, as a page and pictures."""

import csv
import io
import json
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from agents import run_files, run_folder
from commands.evaluate import Evaluation
from commands.judging.checkpoints import LoadedCheckpoints
from common.errors import InputError
from common.files import read_bytes, write_whole
from evaluation.report.contents import Curve, ReportContents, TrainingLog
from evaluation.report.episodes import Floats
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
    """Write ``report.html``, its pictures as PNG and its numbers as CSV under ``report/``.

    They lie in the run's folder; the report of several seeds, ``report_seeds.html``, in the folder
    that holds them, or in the first one's. That of another scenario bears its name.

    Returns
    -------
    Path
        The page.
    """
    folder = loaded.home or loaded.folders[0]
    stem = run_files.report_stem(seeds=bool(loaded.seeds), scenario=scenario)
    page, files = build(_contents(loaded, evaluation, scenario, stochastic=stochastic), stem)
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
    names = [seed.name for seed in loaded.seeds] or list(loaded.policies)
    homes = zip(loaded.folders, names, strict=True)
    logs = tuple(log for home, name in homes for log in read_logs(home, name))
    folders = "\n".join(str(folder) for folder in loaded.folders)
    return ReportContents(
        title=f"{what} on {s.problem}{where}: {(loaded.home or loaded.folders[0]).resolve().name}",
        problem=run.problem,
        parameters=run.parameters,
        view=view_of(run.problem),
        policies=evaluation.policies,
        results=evaluation.results,
        records=evaluation.records,
        logs=logs,
        curves=tuple(curves_of(logs)),
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


def read_logs(folder: Path, run: str) -> list[TrainingLog]:
    """Return what a run logged: a log per model, or per phase and model; none can be read of some.

    Parameters
    ----------
    folder : Path
        Of the run.
    run : str
        The name of its policy.
    """
    logs = []
    for home in run_folder.phases(folder) or [folder]:
        phase = _phase(home) if home != folder else ""
        players = sorted((home / run_files.PLAYERS).glob(f"*/{run_files.PROGRESS}"))
        for file in (home / run_files.PROGRESS, *players):
            columns = _read_log(file)
            player = file.parent.name if file.parent != home else ""
            if columns:
                logs.append(TrainingLog(run, phase, player, columns))
    return logs


def curves_of(logs: Iterable[TrainingLog]) -> list[Curve]:
    """Return the scores on validation traces: one curve per run, or per run and phase.

    Models that take turns are scored together, in the first one's log.
    """
    curves: dict[tuple[str, str], Curve] = {}
    for log in logs:
        if SCORE in log.columns and (log.run, log.phase) not in curves:
            steps, returns = log.columns[SCORE]
            gaps = dict(zip(*log.columns.get(GAP, ((), ())), strict=True))
            known = np.array([gaps.get(step, math.nan) for step in steps])
            curves[log.run, log.phase] = Curve(log.run, log.phase, steps, returns, known)
    return list(curves.values())


def _phase(home: Path) -> str:
    """Return the name of a phase, and which tier learned in it."""
    tier = run_folder.read_config(home).settings.team.learn
    return f"{home.name.replace('_', ' ')}: {'stores' if tier == 'store' else tier}"


def _read_log(file: Path) -> dict[str, tuple[Floats, Floats]]:
    """Return the columns of a ``progress.csv`` over the steps; none where it cannot be read."""
    try:
        text = read_bytes(file, MOST_BYTES).decode()
        rows = list(csv.DictReader(io.StringIO(text)))
    except (InputError, UnicodeError, csv.Error):
        return {}
    columns: dict[str, dict[float, float]] = {}
    for row in rows:
        at = _number(row.get(STEPS))
        for name, cell in row.items():
            value = _number(cell) if isinstance(cell, str) else math.nan
            if name and name != STEPS and math.isfinite(at) and math.isfinite(value):
                columns.setdefault(name, {})[at] = value
    return {
        name: (np.array(sorted(values)), np.array([values[at] for at in sorted(values)]))
        for name, values in columns.items()
    }


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
