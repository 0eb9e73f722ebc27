"""Tabular files, CSV or Parquet: every cell as text, every row with its number in the file."""

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from common.errors import InputError, short
from common.files import read_bytes
from demand import parquet_child

Floats = NDArray[np.float64]
Mark = Literal[".", ","]
MAX_FILE_BYTES = 512 << 20
MAX_UNPACKED_BYTES = 1 << 30
"""Limit on all columns of a Parquet file together."""

MAX_COLUMNS = 10_000
MAX_ROWS = 50_000_000
MAX_DEMAND = 1e9
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SPREADSHEETS = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_DECLARED = re.compile(r"\s*\"?sep=(.)\"?\s*?(?:\r\n?|\n)", re.IGNORECASE)
"""A first line in which some spreadsheets declare the separator."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """The content of a file.

    Attributes
    ----------
    name, kind : str
        Name of the file, and how it was read, such as ``"comma, utf-8"``.
    cells : DataFrame
        Categorical columns of texts, ``""`` for an empty cell. The index is the number of the row
        in the file; the header is row 1.
    decimal : {".", ","} or None
        The decimal mark, if the format fixes it.
    settable : collection of str
        Options of `demand.reader.DemandSource` that the user can set.
    """

    name: str
    kind: str
    cells: pd.DataFrame
    decimal: Mark | None = None
    settable: Collection[str] = ()

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self.cells.columns)

    def texts(self, column: str) -> list[str]:
        """Return the distinct texts of a column, in the order of the file."""
        texts: list[str] = self.cells[column].cat.categories.tolist()
        return texts

    def codes(self, column: str) -> NDArray[np.intp]:
        """Return for every row the index of its text in `texts`."""
        codes: NDArray[np.intp] = np.asarray(self.cells[column].cat.codes, np.intp)
        return codes

    def row(self, position: int) -> str:
        """Return the name of a row in messages."""
        return f"{self.name} row {self.cells.index[position]}"

    def remedy(self, otherwise: str, option: str, how: str) -> str:
        """Return advice: `otherwise`, or `how` to set an option if the user can set it."""
        return f"{otherwise}, or {how}" if option in self.settable else otherwise


def read_sheet(path: Path, separator: str | None = None, encoding: str | None = None) -> Sheet:
    """Read a tabular file.

    Parameters
    ----------
    path : Path
        Parquet if it ends in ``.parquet`` or ``.pq``, else CSV with a header.
    separator, encoding : str, optional
        Those of a CSV file; detected by default.

    Raises
    ------
    InputError
        If it is unreadable, has no header, two columns of one name, or a row that is too long.
    """
    content = read_bytes(path, MAX_FILE_BYTES, links=True)
    if path.suffix.lower() in (".parquet", ".pq") or content.startswith(b"PAR1"):
        return _read_parquet(path.name, content)
    if content.startswith(_SPREADSHEETS):
        raise InputError(f"{path.name}: is a spreadsheet's own file; save the table as CSV")
    return _read_csv(path.name, content, separator, encoding)


def parse_csv(name: str, text: str) -> Sheet:
    """Return the content of a CSV text; `name` is its name in messages.

    Raises
    ------
    InputError
        As for `read_sheet`.
    """
    return _read_csv(name, text.encode("utf-8", "replace"), None, "utf-8")


def sheet_of(name: str, rows: Sequence[Mapping[str, str]]) -> Sheet:
    """Return rows of texts as the content of a file; a missing text is ``""``.

    Raises
    ------
    InputError
        If there are too many rows or columns.
    """
    header = list(dict.fromkeys(column for row in rows for column in row))
    cells = (np.array([row.get(column, "") for row in rows], object) for column in header)
    columns = [text_column(*pd.factorize(texts)) for texts in cells]
    return _tidy(name, "rows", header, columns, 1, decimal=".")


def _read_csv(name: str, content: bytes, separator: str | None, encoding: str | None) -> Sheet:
    text, coding = _decode(name, content, encoding)
    declared = _DECLARED.match(text)
    text, line = (text[declared.end() :], 2) if declared else (text, 1)
    head = re.split(r"[\r\n]", text, maxsplit=1)[0]
    sep = separator or (declared and declared[1]) or max(SEPARATORS, key=head.count)
    if not head.strip():
        raise InputError(f"{name}: cannot be read as a CSV file: it is empty, or has no header")
    if len(sep) != 1 or not sep.isascii():
        raise InputError(f"{name}: separator = {short(sep)}: must be a single character")
    _check_size(name, 0, head.count(sep) + 1)
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            sep=sep,
            header=None,
            dtype=object,
            na_filter=False,
            skip_blank_lines=False,  # so that rows keep their numbers
            low_memory=False,
        )
    except (ValueError, OverflowError) as error:  # includes pandas' own errors
        raise _not_csv(name, str(error), line - 1) from None
    header = [str(title) for title in frame.iloc[0]]
    columns = [text_column(*pd.factorize(frame[column].to_numpy()[1:])) for column in frame]
    return _tidy(name, f"{SEPARATORS.get(sep, sep)}, {coding}", header, columns, line + 1)


def text_column(codes: NDArray[np.integer], texts: Iterable[Any]) -> pd.Categorical:
    """Return a column of trimmed texts: `codes` are the rows' indices into `texts`."""
    again, trimmed = pd.factorize(np.array([str(text).strip() for text in texts], object))
    return pd.Categorical.from_codes(again[codes], pd.Index(trimmed, dtype=object))


def _decode(name: str, content: bytes, encoding: str | None) -> tuple[str, str]:
    """Return the text of a file, and its encoding."""
    marks = (coding for mark, coding in _BYTE_ORDER_MARKS.items() if content.startswith(mark))
    found = next(marks, "utf-8")
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
        text = content.decode(coding, errors="replace")  # five byte values are undefined in it
    if "\0" in text:
        raise InputError(f"{name}: holds bytes that are no text; save it as UTF-8")
    return text, coding.removesuffix("-sig")


def _not_csv(name: str, error: str, skipped: int) -> InputError:
    """Return the error for a file that pandas cannot parse."""
    long_row = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", error)
    if long_row is None:
        return InputError(f"{name}: cannot be read as a CSV file: {short(error.strip(), 120)}")
    fields, row, found = (int(number) for number in long_row.groups())
    remedy = "put values that hold the separator in quotes"
    if fields == 1:
        remedy = "the first row must name the columns, without a title above"
    return InputError(
        f"{name} row {row + skipped}: {found} fields, the header has {fields}; {remedy}"
    )


def _check_size(name: str, rows: int, columns: int) -> None:
    for count, most, what in ((rows, MAX_ROWS, "rows"), (columns, MAX_COLUMNS, "columns")):
        if count > most:
            raise InputError(f"{name}: {count:,} {what}, at most {most:,}")


def _tidy(
    name: str,
    kind: str,
    header: list[str],
    columns: list[pd.Categorical],
    first_row: int,
    decimal: Mark | None = None,
) -> Sheet:
    """Return a sheet without blank rows and without nameless columns.

    Raises
    ------
    InputError
        If two columns have one name, or a nameless one holds anything but row numbers.
    """
    rows = len(columns[0]) if columns else 0
    _check_size(name, rows, len(header))
    names = [title.strip() for title in header]
    twice = next((title for title in names if title and names.count(title) > 1), None)
    if twice is not None:
        raise InputError(f"{name}: {names.count(twice)} columns are called {short(twice)}")
    blank = [column == "" for column in columns]
    kept = ~np.logical_and.reduce(blank) if blank else np.ones(rows, np.bool_)
    cells = {}
    for place, (title, column) in enumerate(zip(names, columns, strict=True)):
        if title:
            cells[title] = _rows_kept(column, kept)
        elif not blank[place].all() and not _numbers_rows(column[kept]):
            raise InputError(f"{name}: column {place + 1} has no name; name it, or leave it out")
    numbers = np.flatnonzero(kept) + first_row
    return Sheet(name, kind, pd.DataFrame(cells, index=numbers), decimal)


def _rows_kept(column: pd.Categorical, kept: NDArray[np.bool_]) -> pd.Categorical:
    """Return the rows of a column that are kept, without texts that only others have."""
    codes = np.asarray(column.codes, np.intp)
    codes = codes if kept.all() else codes[kept]
    used = np.bincount(codes, minlength=len(column.categories)) > 0
    if not used.all():
        codes = (np.cumsum(used) - 1)[codes]
    return pd.Categorical.from_codes(codes, column.categories[used])


def _numbers_rows(column: pd.Categorical) -> bool:
    """Whether a column holds ascending row numbers, as pandas writes before the first column."""
    numbers = pd.Series(pd.to_numeric(np.asarray(column, object), errors="coerce"))
    return bool(numbers.is_monotonic_increasing and numbers.is_unique)


CHILD = Path(parquet_child.__file__)
SETTINGS = {"OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}


def _read_parquet(name: str, content: bytes) -> Sheet:
    """Read a Parquet file of flat columns: dates, timestamps, numbers, decimals, texts.

    Raises
    ------
    InputError
        If pyarrow is not installed, the file is damaged or too large, or a column is nested.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError(
            f"{name}: Parquet needs pyarrow; pip install pyarrow, or save the file as CSV"
        )
    answer, indices = _unpack(name, content)
    if "error" in answer:
        error = short(" ".join(answer["error"].split()), 200).strip("'\"")
        raise InputError(f"{name}: {error}")
    codes = np.frombuffer(indices, np.int32).reshape(len(answer["names"]), answer["rows"])
    columns = [
        text_column(code, [*texts, ""])  # -1, the last text, is a null
        for texts, code in zip(answer["values"], codes, strict=True)
    ]
    return _tidy(name, "Parquet", answer["names"], columns, 2, decimal=".")


def _unpack(name: str, content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the first line of the output of `parquet_child`, and the bytes after it."""
    command = [sys.executable, "-P", str(CHILD), str(MAX_ROWS), str(MAX_UNPACKED_BYTES)]
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


_SIGNS = "' \u2019\u00a0\u2009\u202f"
"""Apostrophes and blanks that separate thousands."""

_OTHER: dict[Mark, Mark] = {".": ",", ",": "."}
_GROUPED = {
    mark: re.compile(
        rf"[+-]?[1-9]\d{{0,2}}(?:([{other}{_SIGNS}])\d{{3}})(?:\1\d{{3}})*(?:[{mark}]\d*)?"
    )
    for mark, other in _OTHER.items()
}
_THOUSANDS = str.maketrans("", "", _SIGNS)
_PLAIN = "write thousands without a mark, such as 1234, and 1.234 as 1.2340"
_SAY_MARK = "say --set demand_data.decimal=. or --set demand_data.decimal=,"


def read_quantities(sheet: Sheet, columns: Sequence[str], decimal: Mark | None = None) -> Floats:
    """Return the quantities in columns, NaN for anything but a number of at most `MAX_DEMAND`.

    The decimal mark is the one with which more of the texts are numbers.

    Returns
    -------
    ndarray
        Shape (rows, columns).

    Raises
    ------
    InputError
        If a mark may be a decimal mark or a thousands separator, as in ``1,234``.
    """
    mark = decimal or decimal_mark(sheet, columns)
    values = [numbers(sheet.texts(name), mark)[sheet.codes(name)] for name in columns]
    quantities: Floats = np.stack(values, axis=1)
    quantities[~(np.abs(quantities) <= MAX_DEMAND)] = np.nan
    return quantities


def numbers(texts: Sequence[str], mark: Mark) -> Floats:
    """Return texts as numbers, NaN where they are not numbers.

    Examples
    --------
    >>> numbers(["12,5", "1.234,5", "1'000", "1.5", "soon"], ",").tolist()
    [12.5, 1234.5, 1000.0, nan, nan]
    """
    plain = pd.Series([_plain(text, mark) for text in texts], dtype=object)
    return pd.to_numeric(plain, errors="coerce").to_numpy(np.float64)


def _plain(text: str, mark: Mark) -> str:
    """Return a number with a decimal point and without thousands separators."""
    if _GROUPED[mark].fullmatch(text):
        text = text.translate(_THOUSANDS).replace(_OTHER[mark], "")
    if mark == ",":
        return "" if "." in text else text.replace(",", ".")
    return text


def decimal_mark(sheet: Sheet, columns: Sequence[str], usual: Mark | None = None) -> Mark:
    """Return the decimal mark of columns: the format's, or the one with which more are numbers.

    Parameters
    ----------
    sheet, columns : Sheet, sequence of str
        The file, and its columns of quantities.
    usual : {".", ","}, optional
        The mark to assume if the texts do not show one.

    Raises
    ------
    InputError
        If it is ambiguous, as in ``1,234``.
    """
    if sheet.decimal is not None:
        return sheet.decimal
    read = [[numbers(sheet.texts(name), mark) for name in columns] for mark in _OTHER]
    point, comma = (sum(int(np.isfinite(x).sum()) for x in found) for found in read)
    if point != comma:
        return "." if point > comma else ","
    if usual is not None:
        return usual
    for name, one, other in zip(columns, *read, strict=True):
        either = np.flatnonzero(np.isfinite(one) & np.isfinite(other) & (one != other))
        if either.size:
            position = int(np.isin(sheet.codes(name), either).argmax())
            code = sheet.codes(name)[position]
            raise InputError(
                f"{sheet.row(position)}: {name} = {sheet.texts(name)[code]!r} may be "
                f"{one[code]:g} or {other[code]:g}; {sheet.remedy(_PLAIN, 'decimal', _SAY_MARK)}"
            )
    return "."
