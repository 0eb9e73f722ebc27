"""A file of demand as columns of text: any usual encoding and separator, CSV or Parquet.

Columns keep each distinct value once, so that what is wrong is looked for among a few values and
two million rows are read in seconds.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inventory.errors import InputError, short
from inventory.files import read_bytes

MAX_FILE_BYTES = 512 << 20
MAX_COLUMNS = 10_000
MAX_ROWS = 50_000_000
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


@dataclass(frozen=True)
class Column:
    """A column: its distinct values, and which of them every row has (-1: none)."""

    values: list[str]
    rows: NDArray[np.intp]


@dataclass(frozen=True)
class Sheet:
    """The content of a file.

    Attributes
    ----------
    name : str
        Of the file.
    kind : str
        How it was read, such as ``"comma, utf-8"``.
    columns : dict
        By the names of the header, in order.
    numbers : ndarray
        The number of every row in the file; the header is row 1.
    """

    name: str
    kind: str
    columns: dict[str, Column]
    numbers: NDArray[np.intp]


def read_sheet(path: Path, separator: str | None = None, encoding: str | None = None) -> Sheet:
    """Read a file of demand as text.

    Parameters
    ----------
    path : Path
        Parquet if it ends in ``.parquet`` or ``.pq``, else CSV with a header.
    separator, encoding : str, optional
        Of a CSV file, where they are not to be found out.

    Raises
    ------
    InputError
        One line: not to be read, no header, two columns of one name, a row of another length.
    """
    content = read_bytes(path, MAX_FILE_BYTES, links=True)
    if path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path.name, content)
    text, coding = _as_utf8(path.name, content, encoding)
    head = text.split(b"\n", 1)[0].decode()
    sep = separator or max(SEPARATORS, key=head.count)
    header = _header(path.name, head, sep)
    blank = _check_lengths(path.name, text, sep, len(header))
    return _parse(path.name, text, header, sep, f"{SEPARATORS.get(sep, sep)}, {coding}", blank)


def _as_utf8(name: str, content: bytes, encoding: str | None) -> tuple[bytes, str]:
    """Return the text in UTF-8 with line feeds alone, and the encoding it had."""
    found = next((coding for mark, coding in _MARKS if content.startswith(mark)), "utf-8")
    coding = encoding or found
    try:
        text = content.decode(coding)
    except LookupError:
        raise InputError(f"{name}: unknown encoding {short(coding)}; try utf-8 or cp1252") from None
    except UnicodeError as error:
        if encoding is not None or found != "utf-8":
            raise InputError(
                f"{name}: cannot be read as {coding}: {short(str(error))}; save it as UTF-8"
            ) from None
        coding = "cp1252"
        text = content.decode(coding, errors="replace")  # five of its bytes mean nothing
    if "\0" in text:
        raise InputError(f"{name}: cannot be read as a CSV file: it holds bytes that are no text")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.encode(), coding.removesuffix("-sig")


def _header(name: str, head: str, separator: str) -> list[str]:
    if not head.strip():
        raise InputError(f"{name}: cannot be read as a CSV file: it is empty, or has no header")
    if len(separator) != 1:
        raise InputError(f"{name}: separator = {short(separator)}: must be a single character")
    return check_header(name, next(csv.reader([head], delimiter=separator)))


def check_header(name: str, header: list[str]) -> list[str]:
    """Return the names of the columns without blanks around, none of them twice."""
    if len(header) > MAX_COLUMNS:
        raise InputError(f"{name}: {len(header):,} columns, at most {MAX_COLUMNS:,}")
    names = [column.strip() for column in header]
    twice = next((column for column in names if names.count(column) > 1), None)
    if twice is not None:
        raise InputError(f"{name}: {names.count(twice)} columns are called {short(twice)}")
    return names


def _check_lengths(name: str, text: bytes, separator: str, fields: int) -> NDArray[np.intp]:
    """Make sure that every row has as many fields as the header; return the blank lines."""
    if b'"' in text:
        rows = csv.reader(io.StringIO(text.decode()), delimiter=separator)
        try:
            found = np.array([len(row) for row in rows], np.intp)
        except csv.Error as error:
            told = short(str(error))
            raise InputError(f"{name}: cannot be read as a CSV file: {told}") from None
        found[found == 0] = -1
    else:
        signs = np.frombuffer(text.removesuffix(b"\n") + b"\n", np.uint8)
        ends = np.flatnonzero(signs == ord("\n"))
        commas = np.flatnonzero(signs == ord(separator)) if separator.isascii() else ends[:0]
        found = np.diff(np.searchsorted(commas, ends), prepend=0) + 1
        found[np.diff(ends, prepend=-1) == 1] = -1
    if len(found) > MAX_ROWS:
        raise InputError(f"{name}: {len(found):,} rows, at most {MAX_ROWS:,}")
    wrong = np.flatnonzero((found != fields) & (found >= 0))
    if wrong.size:
        row = int(wrong[0])
        raise InputError(
            f"{name} row {row + 1}: {found[row]} fields, the header has {fields}; give every row "
            "as many, and put values with a separator in them in quotes"
        )
    return np.flatnonzero(found < 0)


def _parse(
    name: str, text: bytes, header: list[str], separator: str, kind: str, blank: NDArray[np.intp]
) -> Sheet:
    try:
        frame = pd.read_csv(
            io.BytesIO(text),
            sep=separator,
            names=header,
            header=None,
            skiprows=1,
            dtype=object,
            keep_default_na=False,
            skip_blank_lines=True,
            index_col=False,
            low_memory=False,
        )
    except (ValueError, OverflowError) as error:  # pandas' own errors are among them
        told = short(str(error), 120)
        raise InputError(f"{name}: cannot be read as a CSV file: {told}") from None
    numbers = np.delete(np.arange(len(frame) + blank.size) + 1, blank[blank > 0] - 1) + 1
    return Sheet(name, kind, _columns(frame), numbers[: len(frame)])


def _columns(frame: Any) -> dict[str, Column]:
    return {str(name): _column(frame.iloc[:, i]) for i, name in enumerate(frame.columns)}


def _column(series: Any) -> Column:
    rows, kinds = pd.factorize(series)
    return Column([str(kind).strip() for kind in kinds], rows.astype(np.intp))


def _read_parquet(name: str, content: bytes) -> Sheet:
    """Read a Parquet file; what it claims to hold is checked before it is unpacked."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError(
            f"{name}: Parquet needs pyarrow; pip install pyarrow, or save the file as CSV"
        ) from None
    try:
        file = parquet.ParquetFile(io.BytesIO(content))
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        if sum(group.total_byte_size for group in groups) > 4 * MAX_FILE_BYTES:
            raise InputError(f"{name}: holds more than {4 * MAX_FILE_BYTES:,} bytes")
        header = check_header(name, list(file.schema_arrow.names))
        table = file.read()
    except (pyarrow.ArrowException, OSError, TypeError) as error:
        raise InputError(f"{name}: cannot be read as Parquet: {short(str(error), 120)}") from None
    columns = {
        column: _column(values.to_pandas())
        for column, values in zip(header, table.columns, strict=True)
    }
    return Sheet(name, "Parquet", columns, np.arange(table.num_rows) + 2)
