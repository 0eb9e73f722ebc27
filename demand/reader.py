"""Files of dated demand: CSV or Parquet, wide or long, with one line for whatever is wrong."""

import csv
import datetime as dt
import io
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from common.errors import InputError, short
from common.files import read_bytes
from demand.columns import MAX_ROWS, Column, Sheet, check_header, tidy
from demand.layout import DEMAND_NAMES, cells_of, mend, place
from demand.parquet import read_parquet
from demand.source import DemandSource

MAX_FILE_BYTES = 512 << 20
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_PARQUET = b"PAR1"
_TOLD = re.compile(rb"\s*\"?sep=(.)\"?\s*", re.IGNORECASE)
"""A first line by which spreadsheets tell the separator."""


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
    if path.suffix.lower() in (".parquet", ".pq") or content.startswith(_PARQUET):
        return read_parquet(path.name, content)
    if content.startswith(_SPREADSHEETS):
        raise InputError(f"{path.name}: is a spreadsheet's own file; save the table as CSV")
    text, coding = _as_utf8(path.name, content, encoding)
    text, told = _declared_separator(text)
    head = text.split(b"\n", 1)[0].decode()
    sep = separator or told or max(SEPARATORS, key=head.count)
    header = _header(path.name, head, sep)
    skipped = int(told is not None)
    blank = _check_lengths(path.name, text, sep, len(header), skipped)
    kind = f"{SEPARATORS.get(sep, sep)}, {coding}"
    numbers, columns = _parse(path.name, text, len(header), sep, blank)
    return tidy(path.name, kind, header, columns, numbers + skipped)


def _declared_separator(text: bytes) -> tuple[bytes, str | None]:
    """Take out a first line that tells the separator."""
    head, _, rest = text.partition(b"\n")
    told = _TOLD.fullmatch(head)
    return (rest, told[1].decode("latin-1")) if told and rest else (text, None)


def _as_utf8(name: str, content: bytes, encoding: str | None) -> tuple[bytes, str]:
    """Return the text in UTF-8 with line feeds alone, and the encoding it had."""
    found = next((coding for mark, coding in _MARKS if content.startswith(mark)), "utf-8")
    if found == "utf-8" and content[1:2] == b"\0" != content[2:3]:
        found = "utf-16-le"  # as some programs write it, without a mark
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


def _check_lengths(
    name: str, text: bytes, separator: str, fields: int, skipped: int
) -> NDArray[np.intp]:
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
        remedy = "as many, and put values with a separator in them in quotes"
        if fields == 1:
            remedy = "as many; the first row must name the columns, without a title above"
        raise InputError(
            f"{name} row {row + 1 + skipped}: {found[row]} fields, the header has {fields}; give "
            f"every row {remedy}"
        )
    return np.flatnonzero(found < 0)


def _parse(
    name: str, text: bytes, fields: int, separator: str, blank: NDArray[np.intp]
) -> tuple[NDArray[np.intp], list[Column]]:
    """Return the rows' numbers and the columns."""
    try:
        frame = pd.read_csv(
            io.BytesIO(text),
            sep=separator,
            names=list(range(fields)),
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
    return numbers[: len(frame)], [_column(frame.iloc[:, i]) for i in range(fields)]


def _column(series: Any) -> Column:
    rows, kinds = pd.factorize(series)
    return Column([str(kind).strip() for kind in kinds], rows.astype(np.intp))


Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DemandTable:
    """Daily demand without gaps.

    Attributes
    ----------
    name, kind : str
        Name of the file, and how it was read.
    first_day : date
        Its first day.
    stores, skus : tuple of str
        Names, in the order of the file.
    demand : ndarray
        Shape (days, SKUs, stores) [units/day]; not to be written to.
    mended : tuple of str
        What was put in because `DemandSource.fill` asked for it.
    """

    name: str
    kind: str
    first_day: dt.date
    stores: tuple[str, ...]
    skus: tuple[str, ...]
    demand: Floats
    mended: tuple[str, ...] = ()

    @property
    def days(self) -> int:
        """Number of days."""
        return len(self.demand)

    @property
    def last_day(self) -> dt.date:
        """The last day."""
        return self.first_day + dt.timedelta(days=self.days - 1)


def read_demand(
    source: DemandSource,
    today: dt.date | None = None,
    quantities: tuple[str, ...] = DEMAND_NAMES,
) -> DemandTable:
    """Read a file of daily demand, once as long as it does not change.

    Parameters
    ----------
    source : DemandSource
        The file.
    today : date, optional
        Days after it are refused; by default the day it is.
    quantities : tuple of str
        What the column of quantities may be called in a long file, where `source` does not say.

    Raises
    ------
    InputError
        One line with the row and what to do about it.
    """
    fields = DemandSource.model_fields.keys() - {"split", "validation", "until"}
    reading = DemandSource.model_construct(**{name: getattr(source, name) for name in fields})
    try:
        status = source.file.stat()
    except OSError as error:
        raise InputError(f"{source.file}: cannot be read: {error.strerror}") from None
    version = status.st_mtime_ns, status.st_size
    return _read(reading, version, today or dt.date.today(), quantities)


@lru_cache(maxsize=4)
def _read(
    source: DemandSource, version: tuple[int, int], today: dt.date, quantities: tuple[str, ...]
) -> DemandTable:
    del version  # a changed file is another one
    sheet = read_sheet(source.file, source.separator, source.encoding)
    if not sheet.columns or not sheet.numbers.size:
        raise InputError(f"{sheet.name}: holds a header and no days; put in a row for every day")
    cells, kind = cells_of(sheet, source, today, quantities)
    first, last = int(cells.days.min()), int(cells.days.max())
    table, rows = place(sheet.name, cells, first, last - first + 1, filled=bool(source.fill))
    demand, mended = mend(sheet.name, cells, table, rows, first, source.fill)
    demand.flags.writeable = False
    first_day = dt.date.fromordinal(first)
    return DemandTable(sheet.name, kind, first_day, cells.stores, cells.skus, demand, mended)
