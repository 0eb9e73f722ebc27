"""The days of a data file that a run trains and selects on, and whether they are still the same."""

import hashlib
import json
from pathlib import Path

from agents import run_files
from agents.config import RunConfig
from demand.calendar import period_days
from demand.reader import read_demand


def data_digest(config: RunConfig) -> str | None:
    """Return a digest of the days before evaluation; None where demand comes from no file."""
    source = getattr(config.parameters, "demand_data", None)
    if source is None:
        return None
    table = read_demand(source.reading() if hasattr(source, "reading") else source)
    days = period_days(table, source, "validation").stop
    names = [table.first_day.isoformat(), days, list(table.stores), list(table.skus)]
    digest = hashlib.sha256(json.dumps(names).encode())
    digest.update(table.demand[:days].astype("<f8").tobytes())
    return digest.hexdigest()


def changed_data(folder: Path, config: RunConfig) -> str | None:
    """Return what to say where the days that a run was trained on have changed since.

    Days that were appended are none of them, unless the file has no split of its own.
    """
    known = run_files.read_manifest(run_files.run_of(folder)).data
    if known is None or known == data_digest(config):
        return None
    source = config.parameters.demand_data
    more = "" if source.split else " (without a split, days that are appended move all periods)"
    return f"{source.file}: the days that {folder} was trained on have changed{more}"
