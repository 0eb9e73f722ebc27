"""Parquet files of demand, unpacked by pyarrow in a process of its own: see `parquet_child`."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import InputError, short
from demand import parquet_child
from demand.columns import MAX_ROWS, Column, Sheet, check_header, tidy

MAX_BYTES = 1 << 30
"""Of all columns together, unpacked."""

CHILD = Path(parquet_child.__file__)
SETTINGS = {"OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}


def read_parquet(name: str, content: bytes) -> Sheet:
    """Read a Parquet file of flat columns: dates, timestamps, numbers, decimals, texts.

    Parameters
    ----------
    name : str
        What to call it in messages.
    content : bytes
        The whole file.

    Raises
    ------
    InputError
        One line: pyarrow is missing, the file is damaged or too large, or a column is nested.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError(
            f"{name}: Parquet needs pyarrow; pip install pyarrow, or save the file as CSV"
        )
    told, indices = _unpacked(name, content)
    if "error" in told:
        raise InputError(f"{name}: {_one_line(told['error'])}")
    header = check_header(name, told["names"])
    rows = np.frombuffer(indices, np.int32).reshape(len(header), told["rows"])
    columns = [Column(v, r.astype(np.intp)) for v, r in zip(told["values"], rows, strict=True)]
    return tidy(name, "Parquet", header, columns, np.arange(told["rows"]) + 2, decimal=".")


def _unpacked(name: str, content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return what the child tells, and the bytes after it."""
    command = [sys.executable, "-P", str(CHILD), str(MAX_ROWS), str(MAX_BYTES)]
    try:
        done = subprocess.run(  # noqa: S603  (our own program)
            command,
            input=content,
            capture_output=True,
            timeout=2 * parquet_child.SECONDS,
            env={**os.environ, **SETTINGS},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"{name}: cannot be read as Parquet: it takes too long") from None
    head, _, rest = done.stdout.partition(b"\n")
    if done.returncode != 0 or not head:
        raise InputError(
            f"{name}: cannot be read as Parquet: pyarrow broke down over it; write the file anew, "
            "or save it as CSV"
        )
    return json.loads(head), rest


def _one_line(text: str) -> str:
    return short(" ".join(text.split()), 200).strip("'\"")
