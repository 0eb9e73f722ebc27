import datetime as dt
import decimal
import io

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from common.errors import InputError
from demand import sheet
from demand.reader import DemandSource, read_demand

START, TODAY = dt.date(2021, 3, 1), dt.date(2022, 3, 1)
DAYS = [START + dt.timedelta(days=i) for i in range(20)]
EVENINGS = [dt.datetime(day.year, day.month, day.day, 23, 30) for day in DAYS]
UNITS = list(range(20))


def packed(columns, **options):
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file, **options)
    return file.getvalue()


@pytest.fixture
def read(tmp_path):
    def do(content, **options):
        path = tmp_path / "sales.parquet"
        path.write_bytes(content)
        return read_demand(DemandSource(file=path, **options), TODAY)

    return do


def test_a_wide_file_with_a_column_of_every_kind(read):
    table = read(
        packed(
            {
                "date": pa.array(EVENINGS, pa.timestamp("ns", tz="Europe/Berlin")),
                "whole": UNITS,
                "half": pa.array(np.arange(20), pa.float16()),
                "exact": [decimal.Decimal(f"{i}.250") for i in UNITS],
                "texts": [f"{i}.5" for i in UNITS],
                "__index_level_0__": UNITS,
            },
            compression="zstd",
            row_group_size=7,
        )
    )
    assert (table.first_day, table.stores) == (DAYS[1], ("whole", "half", "exact", "texts"))
    quarters = np.array([0, 0, 0.25, 0.5])
    np.testing.assert_array_equal(table.demand[:, 0], np.arange(20)[:, None] + quarters)


def test_a_long_file_with_dictionaries(read):
    stores = pa.array(["north"] * 20 + ["south"] * 20).dictionary_encode()
    dates = pa.array([day.strftime("%d.%m.%Y") for day in DAYS] * 2).dictionary_encode()
    table = read(packed({"date": dates, "store": stores, "sku": [7] * 40, "demand": UNITS * 2}))
    assert (table.stores, table.skus, table.days) == (("north", "south"), ("7",), 20)


def test_nulls_are_told_with_their_row_or_filled(read):
    content = packed({"date": DAYS, "a": [0, None, 2, *UNITS[3:]]})
    with pytest.raises(InputError, match=r"sales.parquet row 3: a is empty"):
        read(content)
    assert read(content, fill="interpolate").demand[1, 0, 0] == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1]] * 20, "column 'a' holds list<.*dates, numbers and texts are read"),
        ([{"x": 1}] * 20, "column 'a' holds struct<"),
        ([dt.time(1)] * 20, "column 'a' holds time64"),
        ([True] * 20, r"has dates and no column of demand .*left out: a \(text"),
        (["1,5", "1", *["x"] * 18], "row 2: a = '1,5' is not a number"),
    ],
)
def test_what_is_no_demand_is_refused(read, values, message):
    with pytest.raises(InputError, match=message):
        read(packed({"date": DAYS, "a": values}))


def test_damaged_files_are_refused_in_one_line(read):
    good = packed({"date": DAYS, "a": UNITS})
    forged = bytearray(good)
    forged[-60:-50] = b"\xff" * 10
    for content in (b"", b"PAR1", good[: len(good) // 2], good[:-1], bytes(forged)):
        with pytest.raises(
            InputError, match=r"sales\.parquet: cannot be read as Parquet"
        ) as refused:
            read(content)
        assert "\n" not in str(refused.value)


def test_what_would_not_fit_is_refused(read, monkeypatch):
    word = pa.DictionaryArray.from_arrays(np.zeros(1000, np.int32), ["x" * 100_000])
    content = packed({"date": [START] * 1000, "a": word})
    with pytest.raises(InputError, match=r"left out: a \(text"):
        read(content)  # a hundred megabytes as texts, one text as it is read
    monkeypatch.setattr(sheet, "MAX_UNPACKED_BYTES", 90_000)
    with pytest.raises(InputError, match=r"holds [0-9,]+ bytes, at most 90,000"):
        read(packed({"date": [START] * 1001, "a": word.take(pa.array([0] * 1001))}))
    monkeypatch.setattr(sheet, "MAX_ROWS", 10)
    with pytest.raises(InputError, match="20 rows, at most 10"):
        read(packed({"date": DAYS, "a": UNITS}))


def test_a_process_that_breaks_down_is_reported(read, monkeypatch, tmp_path):
    child = tmp_path / "child.py"
    child.write_text("import os\nos.abort()\n")
    monkeypatch.setattr(sheet, "CHILD", child)
    with pytest.raises(InputError, match="pyarrow broke down over it; write the file anew"):
        read(packed({"date": DAYS, "a": UNITS}))


def test_without_pyarrow_the_remedy_is_named(read, monkeypatch):
    monkeypatch.setattr(sheet.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="needs pyarrow; pip install pyarrow, or save"):
        read(packed({"date": DAYS, "a": UNITS}))
