import datetime as dt
import time

import numpy as np
import pytest

from common.errors import InputError
from demand import sheet
from demand.calendar import period_days
from demand.reader import DemandSource
from demand.summary import describe_demand
from tests.demand.sales_files import START, long, wide

NUMBERS = [[i + 1, 2 * i] for i in range(20)]


@pytest.mark.parametrize(
    "form",
    ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%b-%Y"]
    + ["%d %B %Y", "%d.%m.%y", "%Y-%m-%d 00:00:00", "%Y-%m-%dT00:00:00Z", "%d/%m/%Y 00:00"],
)
@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
def test_dates_and_separators_are_found_out(read, form, sep):
    table = read(wide(NUMBERS, form, sep))
    assert (table.first_day, table.stores, table.skus) == (START, ("north", "south"), ("all",))
    np.testing.assert_array_equal(table.demand[:, 0], NUMBERS)


@pytest.mark.parametrize(
    "coding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-32"]
)
def test_encodings_are_found_out(read, coding):
    text = wide(NUMBERS, header="date,Zürich,Genève")
    content = text.encode(coding)
    options = {"encoding": coding} if coding in ("utf-16-le", "utf-32") else {}
    assert read(content, **options).stores == ("Zürich", "Genève")
    other = text.replace("\n", "\r\n").encode(coding)
    assert read(other, **options).days == 20


def test_a_decimal_comma_and_quotes_are_read(read):
    text = wide([["1,5", '"2"'], ["3", "4,25"]], sep=";")
    assert read(text).demand[:, 0].tolist() == [[1.5, 2], [3, 4.25]]
    assert read('date,"a,b"\n2021-03-01,"1.5"\n\n2021-03-02,2\n\n').stores == ("a,b",)


def test_a_long_file_in_any_order(read):
    values = np.arange(24).reshape(4, 2, 3)
    header, *rows = long(values).splitlines()
    table = read("\n".join([header, *rows[:3], *rows[:2:-1]]))
    assert (table.stores, set(table.skus)) == (("s0", "s1", "s2"), {"k0", "k1"})
    order = [table.skus.index(k) for k in ("k0", "k1")]
    np.testing.assert_array_equal(table.demand[:, order], values)


def test_names_and_layout_can_be_given(read):
    text = "when,what,where,many,other\n2021-03-01,x,a,1,9\n2021-03-02,x,a,2,9\n"
    table = read(text, date="when", sku="what", store="where", demand="many")
    assert (table.stores, table.skus, table.demand[:, 0, 0].tolist()) == (("a",), ("x",), [1, 2])
    table = read("day,sales\n2021-03-01,1\n2021-03-02,2\n")
    assert (table.stores, table.demand.shape) == (("sales",), (2, 1, 1))
    table = read("day,store,sales\n2021-03-01,1,2\n", layout="wide")
    assert table.stores == ("store", "sales")


def test_stores_can_be_chosen(read):
    text = wide([[1, "closed"], [2, "open"]])
    assert read(text, stores=("north",)).demand[:, 0].tolist() == [[1], [2]]
    table = read(long(np.arange(12).reshape(2, 2, 3)), stores=("s2", "s0"))
    assert table.demand[1].tolist() == [[8, 6], [11, 9]]
    with pytest.raises(InputError, match=r"unknown store in sales.csv 's9'; allowed: s0, s1, s2"):
        read(long(np.arange(12).reshape(2, 2, 3)), stores=("s9",))


GOOD = [[i + 1, i] for i in range(5)]
WIDE_ROWS = wide(GOOD).splitlines()
LONG = long(np.arange(12).reshape(3, 2, 2))


def changed(row, column, value):
    values = [list(r) for r in GOOD]
    values[row][column] = value
    return wide(values)


DEFECTS = {
    "empty": (b"", "cannot be read as a CSV file: it is empty"),
    "no text": (b"\x00\x01\x02", "holds bytes that are no text"),
    "half UTF-16": (b"\xff\xfed\x00a", "cannot be read as utf-16.*save it as UTF-8"),
    "header only": ("date,a\n", "holds a header and no days"),
    "no dates": ("a,b\n1,2\n", "no column of dates.*or say --set demand_data.date="),
    "no demand": ("date\n2021-03-01\n", "has dates and no column of demand"),
    "twice a name": ("date,a,a\n2021-03-01,1,2\n", "2 columns are called 'a'"),
    "too few fields": (wide(GOOD).replace(",3,2", ",3"), "row 4 of 'south': the demand is empty"),
    "too many fields": (wide(GOOD).replace(",3,2", ",3,2,1"), "row 4: 4 fields, the header has 3"),
    "no date": (
        wide(GOOD).replace("2021-03-03", "soon"),
        r"row 4: date = 'soon' is not a date \(%Y-",
    ),
    "empty date": (wide(GOOD).replace("2021-03-03", ""), "row 4: date = '' is not a date"),
    "no such day": (
        wide(GOOD).replace("2021-03-03", "2021-02-30"),
        "row 4: date = '2021-02-30' is not",
    ),
    "either date": (
        "day,a\n01/02/2021,1\n",
        "01/02/2021 may be .*, or say --set demand_data.date_format=%",
    ),
    "future": (wide(GOOD).replace("2021-", "2022-"), "row 3: date = 2022-03-02 is in the future"),
    "missing day": (
        wide(GOOD).replace("2021-03-03,3,2\n", ""),
        "row 4: 2021-03-03 of 'north' is missing before this row.*--fill zero",
    ),
    "missing row": (
        LONG.replace("2021-03-02,s1,k0,5\n", ""),
        "row 10: 2021-03-02 of 's1', 'k0' is missing",
    ),
    "ends early": (
        LONG.replace("2021-03-03,s0,k1,10\n", ""),
        "2021-03-03 of 's0', 'k1' is missing, row 8 is its last one",
    ),
    "never there": (LONG.replace("s1,k1", "s2,k1"), "2021-03-01 of 's2', 'k0'.*no day at all"),
    "date in a German file": (
        wide(GOOD, form="%d.%m.%Y").replace("03.03.2021", "31.02.2021"),
        r"'31.02.2021' is not a date \(%d.%m.%Y\); correct it, or say --set "
        "demand_data.date_format=%Y-%m-%d, or whatever it is",
    ),
    "duplicate": (
        wide(GOOD).replace("2021-03-03", "2021-03-02"),
        "row 4: 2021-03-02 of 'north' is a duplicate of row 3; remove one",
    ),
    "duplicate in a long file": (
        LONG + "2021-03-02,s1,k0,7\n",
        "row 14: 2021-03-02 of 's1', 'k0' is a duplicate of row 7",
    ),
    "product not understood": (
        LONG.replace("sku", "number").replace("k0", "7").replace("k1", "8"),
        "row 4: 2021-03-01 of 's0' is a duplicate of row 2; remove one, or add them up, or name "
        "the column that tells them apart: --columns sku=number",
    ),
    "no store": (LONG.replace("2021-03-02,s1", "2021-03-02,"), "row 7: no store"),
    "negative": (changed(2, 1, -3), "row 4 of 'south': '-3' is negative; keep returns apart"),
    "no number": (changed(2, 1, "n/a"), "row 4 of 'south': 'n/a' is not a number from 0 to 1e"),
    "infinite": (changed(2, 1, "inf"), "'inf' is not a number"),
    "not a number": (changed(2, 1, "nan"), "'nan' is not a number"),
    "too large": (changed(2, 1, "1e12"), "'1e12' is not a number"),
    "empty value": (
        changed(2, 1, ""),
        "row 4 of 'south': the demand is empty; add it, or let --fill",
    ),
}


@pytest.mark.parametrize(("text", "message"), DEFECTS.values(), ids=DEFECTS.keys())
def test_every_defect_is_told_in_one_line_with_its_row(read, text, message):
    with pytest.raises(InputError, match=message) as refused:
        read(text)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("sales.csv")
    with pytest.raises(InputError) as elsewhere:  # by a command without these options
        read(text, settable=False)
    assert "--" not in str(elsewhere.value)
    assert str(refused.value).startswith(str(elsewhere.value))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"date": "dat"},
            r"unknown column in sales.csv \(--set demand_data.date\) 'dat'; did you mean 'date'",
        ),
        ({"layout": "long"}, "a long file needs columns of stores or SKUs"),
        ({"encoding": "utf-99"}, "unknown encoding 'utf-99'"),
        ({"encoding": "ascii"}, "cannot be read as ascii"),
        ({"separator": "::"}, "must be a single character"),
        ({"date_format": "%d.%m.%Y"}, "row 2: date = '2021-03-01' is not a date"),
    ],
)
def test_wrong_options_are_refused(read, options, message):
    with pytest.raises(InputError, match=message):
        read(wide(GOOD, header="date,nörth,south"), **options)


def test_filling_is_done_when_asked_and_reported(read):
    text = wide([[1, 1], [2, -4], [3, "x"], [4, ""], [5, 9]]).replace("2021-03-02,2,-4\n", "")
    zero = read(text, fill="zero")
    assert zero.demand[:, 0].tolist() == [[1, 1], [0, 0], [3, 0], [4, 0], [5, 9]]
    assert zero.filled == "filled with 0: 2 missing days and 2 values that are no quantity"
    line = read(text, fill="interpolate")
    assert line.demand[:, 0].tolist() == [[1, 1], [2, 3], [3, 5], [4, 7], [5, 9]]
    assert "on the line between" in describe_demand(line, DemandSource(file=__file__))
    with pytest.raises(InputError, match="is a duplicate of row 2"):
        read(wide(GOOD).replace("2021-03-02", "2021-03-01"), fill="zero")


def test_a_store_without_any_demand_has_no_line_between_neighbours(read):
    text = long([[[1, "x"]], [[2, ""]], [[4, "-"]]])
    assert read(text, fill="zero").demand[:, 0].tolist() == [[1, 0], [2, 0], [4, 0]]
    message = "sales.csv: no demand of 's1' to interpolate; leave it out"
    with pytest.raises(InputError, match=message):
        read(text, fill="interpolate")
    assert read(text, fill="interpolate", stores=("s0",)).demand[:, 0, 0].tolist() == [1, 2, 4]


def test_of_many_stores_the_first_are_described_and_one_without_demand_has_no_trend(read):
    stores = [f"shop_{n:02}" for n in range(15)]
    table = read(wide([[0, *range(1, 15)]] * 140, header=f"date,{','.join(stores)}"))
    lines = describe_demand(table, DemandSource(file=__file__)).splitlines()
    told = [line.split()[0] for line in lines if line.startswith("shop_")]
    assert told == stores[:12]
    assert lines[lines.index("and 3 more") - 1].startswith("shop_11")
    empty = next(line for line in lines if line.startswith("shop_00")).split()
    assert empty[1:5] == ["100.0%", "0.0", "0.0", "+0.0%"]


def test_the_description_tells_what_was_read(read):
    weeks = np.tile([0, 0, 10, 20, 30, 40, 50], 20)
    table = read(wide([[x, 7 + i] for i, x in enumerate(weeks)]))
    split = START + dt.timedelta(days=100)
    source = DemandSource(file=__file__, split=split)
    lines = describe_demand(table, source).splitlines()
    assert lines[0].startswith("sales.csv: 2 stores, 1 SKU, 140 days from 2021-03-01 to 2021-07-18")
    assert lines[1:3] == ["columns: date, north, south", "no gaps, nothing filled in"]
    assert lines[3].startswith("level shifts, left as they are: 2021-")
    assert lines[3].count("south") == 1
    north, south = lines[5].split(), lines[6].split()
    assert north[:4] == ["north", "28.6%", "21.4", "18.1"]
    assert north[5:] == ["0.00", "0.00", "0.47", "0.93", "1.40", "1.87", "2.33"]
    assert south[4] == "+477.5%"
    assert lines[7].split() == ["training", "2021-03-01", "to", "2021-05-24,", "85", "days"]
    assert lines[9].split()[1] == str(split)
    assert len(period_days(table, DemandSource(file=__file__), "evaluation")) == 35


def test_an_evaluation_may_end_before_the_file_does(read):
    table = read(wide([[i, i] for i in range(140)]))
    dates = {
        name: START + dt.timedelta(days=days) for name, days in (("split", 80), ("until", 110))
    }
    whole, cut = (
        DemandSource(file=__file__, split=dates["split"]),
        DemandSource(file=__file__, **dates),
    )
    assert period_days(table, cut, "evaluation") == range(80, 110)
    for split in ("training", "validation", "tuning"):
        assert period_days(table, cut, split) == period_days(table, whole, split)
    by_share = DemandSource(file=__file__, until=dates["until"])
    assert period_days(table, by_share, "evaluation") == range(82, 110)
    for days, message in ((0, "until = 2021-03-01: must lie after"), (141, "at most a day after")):
        source = DemandSource(file=__file__, until=START + dt.timedelta(days=days))
        with pytest.raises(InputError, match=message):
            period_days(table, source, "evaluation")
    late = DemandSource(file=__file__, split=dates["until"], until=dates["split"])
    with pytest.raises(
        InputError, match=r"not after 2021-05-19, the days of sales.csv before until"
    ):
        period_days(table, late, "evaluation")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["12,5", "3"], [12.5, 3]),
        (["1.234,5", "7"], [1234.5, 7]),
        (['"1,234.50"', "7"], [1234.5, 7]),
        (["1.234.567", "1.000"], [1234567, 1000]),
        (["1'234", "12"], [1234, 12]),
        (["1\u202f234", "0,125"], [1234, 0.125]),
    ],
)
def test_marks_of_decimals_and_thousands_are_found_out(read, values, expected):
    rows = [f"0{i + 1}.03.2021;{value}" for i, value in enumerate(values)]
    table = read("\n".join(["Datum;Menge", *rows]))
    assert table.demand[:, 0, 0].tolist() == expected


def test_a_mark_that_may_be_either_is_asked_about(read):
    text = "date;north;south\n2021-03-01;990;1\n2021-03-02;1.010;2\n"
    with pytest.raises(InputError, match=r"row 3: north = '1.010' may be 1.01 or 1010.*decimal="):
        read(text)
    assert read(text, decimal=",").demand[1, 0].tolist() == [1010, 2]
    assert read(text, decimal=".").demand[1, 0].tolist() == [1.01, 2]
    assert read(text.replace(";2\n", ";2,5\n")).demand[1, 0].tolist() == [1010, 2.5]


def test_what_spreadsheets_add_is_left_out(read):
    plain = wide(NUMBERS, sep=";")
    added = "\n".join(f"{row};;" for row in plain.splitlines()) + "\n;;;;\n;;;;\n"
    table = read("sep=;\n" + added)
    assert (table.days, table.stores) == (20, ("north", "south"))
    with pytest.raises(InputError, match=r"sales.csv row 4: date = 'soon' is not a date"):
        read("sep=;\n" + added.replace("2021-03-02", "soon"))
    with pytest.raises(
        InputError, match=r"row 2: date = '44256' is not a date.*a spreadsheet counts"
    ):
        read("date;a\n44256;1\n")
    with pytest.raises(InputError, match="column 1 has no name; name it"):
        read("\n".join(f",{row}" if row[0] == "d" else f"7,{row}" for row in WIDE_ROWS))
    with pytest.raises(InputError, match="spreadsheet's own file; save the table as CSV"):
        read(b"PK\x03\x04 and so on")


def test_a_date_that_is_none_does_not_turn_days_and_months(read):
    text = wide([[i, i] for i in range(300)], "%d/%m/%Y").replace("15/03/2021", "soon")
    with pytest.raises(InputError, match=r"row 16: date = 'soon' is not a date \(%d/%m/%Y\)"):
        read(text)


def test_a_changed_file_is_read_again(read):
    assert read(wide(GOOD)).demand[0, 0, 0] == 1
    assert read(wide(GOOD).replace("2021-03-01,1", "2021-03-01,10")).demand[0, 0, 0] == 10


def test_what_is_too_large_is_refused(read, monkeypatch):
    monkeypatch.setattr(sheet, "MAX_ROWS", 3)
    with pytest.raises(InputError, match="5 rows, at most 3"):
        read(wide(GOOD))
    far = "date,a\n1700-01-01,1\n2021-01-01,1\n"
    with pytest.raises(InputError, match="apart"):
        read(far)
    days = ("1700-01-01", "2021-03-01", "2021-03-02")
    header = "date," + ",".join(f"s{n}" for n in range(900))
    table = "\n".join([header, *(day + ",1" * 900 for day in days)])
    with pytest.raises(InputError, match=r"days of 900 stores and SKUs are too many.* leave"):
        read(table)


def test_two_hundred_skus_are_read_in_a_moment(read):
    """A tenth of 1,000 SKUs, 3 stores and 730 days, which must take less than 10 s."""
    rng = np.random.default_rng(0)
    text = long(rng.poisson(20, (365, 200, 3)))
    begun = time.process_time()
    table = read(text)
    assert table.demand.shape == (365, 200, 3)
    assert time.process_time() - begun < 5
