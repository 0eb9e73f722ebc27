"""Which columns of a file hold demand, and what the command line says of a file."""

import datetime as dt

import numpy as np
import pytest

from agents.config import resolve
from common.errors import InputError
from demand.reader import DemandSource, named_columns, read_demand
from demand.summary import describe_demand

START, TODAY = dt.date(2021, 3, 1), dt.date(2022, 3, 1)
DAYS = 28


@pytest.fixture
def read(tmp_path):
    def do(columns, *, step=1, repeat=1, **options):
        """Read a file of columns after that of the dates, each of which stands `repeat` times."""
        rows = zip(*columns.values(), strict=True)
        dates = (START + dt.timedelta(days=step * (i // repeat)) for i in range(10**6))
        lines = (",".join(map(str, (day, *row))) for day, row in zip(dates, rows, strict=False))
        path = tmp_path / "sales.csv"
        path.write_text("\n".join([",".join(["date", *columns]), *lines]) + "\n")
        return read_demand(DemandSource(file=path, **options), TODAY)

    return do


COVARIATES = {
    "is_holiday": [int(i % 7 == 6) for i in range(DAYS)],
    "open": [int(i % 7 < 5) for i in range(DAYS)],
    "promo": [i % 3 for i in range(DAYS)],
    "Unit Price": [f"{2 + i / 100:.2f}" for i in range(DAYS)],
    "weather": ["sun", "rain"] * (DAYS // 2),
}
UNITS = {"north": list(range(10, 10 + DAYS)), "south": list(range(DAYS))}


def test_flags_prices_and_texts_of_a_wide_file_are_no_stores(read):
    table = read({**COVARIATES, **UNITS})
    assert table.stores == ("north", "south")
    np.testing.assert_array_equal(table.demand[:, 0, 0], UNITS["north"])
    assert table.columns == (
        "columns: date, north, south; known ahead: is_holiday, open, promo, Unit Price; "
        "left out: weather (text, such as 'sun')"
    )
    assert table.columns in describe_demand(table, DemandSource(file=__file__))


def test_a_covariate_is_a_store_for_whoever_says_so(read):
    assert read({**COVARIATES, **UNITS}, stores=("promo", "south")).stores == ("promo", "south")


def test_columns_of_0_and_1_alone_are_stores_that_sell_little(read):
    slow = {"a": [0, 1] * (DAYS // 2), "b": [1, 0] * (DAYS // 2)}
    assert read(slow).stores == ("a", "b")
    assert read({**slow, "price": [2.5] * DAYS}).stores == ("a", "b")


def test_a_wide_file_of_covariates_alone_says_what_was_left_out(read):
    with pytest.raises(InputError, match=r"no column of demand .*weather \(text, such.*stores="):
        read({"weather": COVARIATES["weather"]})


def test_names_of_digits_stay_as_they_are_written(read):
    table = read({"007": range(DAYS), "37": ["1.50"] * DAYS})
    assert (table.stores, table.demand[3, 0].tolist()) == (("007", "37"), [3, 1.5])
    keys = {"store": ["01", "1"] * DAYS, "sku": ["010"] * (2 * DAYS)}
    table = read({**keys, "demand": range(2 * DAYS)}, repeat=2)
    assert (table.stores, table.skus) == (("01", "1"), ("010",))


def long(quantity, **more):
    keys = {"store": ["a", "b"] * DAYS, "sku": ["x"] * (2 * DAYS)}
    return {**keys, quantity: list(range(2 * DAYS)), "price": ["1.50"] * (2 * DAYS), **more}


@pytest.mark.parametrize(
    "name",
    ["qty_sold", "Qty", "units sold", "Unit-Sales", "quantity", "sales_qty", "demand", "num_sold"]
    + ["Net items sold", "Lineitem quantity", "Items sold", "Verkaufsmenge"],
)
def test_demand_of_a_long_file_has_many_names(read, name):
    table = read(long(name), repeat=2)
    assert (table.stores, table.skus) == (("a", "b"), ("x",))
    assert table.demand[:3, 0].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert table.columns == f"columns: date, store, sku, {name}; known ahead: price"


@pytest.mark.parametrize(
    "name", ["Verkaufspreis", "Aktionspreis", "prix_vente", "Precio", "Schulferien", "IsHoliday"]
)
def test_what_is_known_ahead_is_known_by_other_names_too(read, name):
    values = [f"{2 + i % 2}" for i in range(DAYS)]
    assert read({name: values, **UNITS}).stores == ("north", "south")
    twice = {name: [value for value in values for _ in "ab"]}
    found = read({**long("Absatz"), **twice}, repeat=2)
    assert found.columns == f"columns: date, store, sku, Absatz; known ahead: price, {name}"


def test_prices_and_discounts_with_a_unit_beside_them_are_numbers_and_no_events(read):
    prices = [f"€ {2 + i % 3}.50" for i in range(2 * DAYS)]
    table = read(long("units", price=prices, discount=["10 %", "5%"] * DAYS), repeat=2)
    price, discount = table.covariates.columns
    assert (price.labels, discount.labels) == ((), ())
    np.testing.assert_array_equal(price.values[:2, 0], [[2.5, 3.5], [4.5, 2.5]])
    np.testing.assert_array_equal(discount.values[0, 0], [10, 5])


@pytest.mark.parametrize("name", ["Umsatz", "customers", "Kunden", "Gesamtpreis", "total_price"])
def test_what_depends_on_sales_is_not_known_ahead(read, name):
    table = read(long("Absatz", **{name: ["3"] * (2 * DAYS)}), repeat=2)
    assert table.columns.endswith(f"known ahead: price; left out: {name}")


@pytest.mark.parametrize(
    "name", ["part", "Part No.", "Art.-Nr.", "EAN", "Lineitem sku", "Product title", "StockCode"]
)
def test_products_of_a_long_file_have_many_names(read, name):
    table = read({name: ["1", "2"] * DAYS, "demand": range(2 * DAYS)}, repeat=2)
    assert table.skus == ("1", "2")


@pytest.mark.parametrize("fill", [None, "zero"])
def test_a_long_file_without_a_known_name_of_demand_is_asked_about(read, fill):
    with pytest.raises(InputError, match=r"which column holds the demand, out of pieces, price\?"):
        read(long("pieces"), repeat=2, fill=fill)
    table = read(long("pieces"), repeat=2, fill=fill, demand="pieces")
    assert table.demand[1, 0].tolist() == [2, 3]


def test_a_long_file_with_numbers_for_stores_is_no_wide_one(read):
    numbered = {**long("pieces"), "store": [1, 2] * DAYS, "sku": [7] * (2 * DAYS)}
    with pytest.raises(InputError, match="which column holds the demand"):
        read(numbered, repeat=2)


@pytest.mark.parametrize("fill", [None, "zero", "interpolate"])
def test_weeks_are_never_filled_to_days(read, fill):
    table = read({"a": range(10)}, step=7, fill=fill)
    assert (table.period, table.days, table.filled) == ("week", 10, "")
    assert table.demand[:, 0, 0].tolist() == list(range(10))
    assert table.last_day == START + dt.timedelta(weeks=9)


@pytest.mark.parametrize("end", [False, True])
def test_months_are_periods_whatever_their_length(tmp_path, end):
    first = [dt.date(2020 + m // 12, m % 12 + 1, 1) for m in range(15)]
    days = [day - dt.timedelta(days=1) for day in first[1:]] if end else first
    path = tmp_path / "months.csv"
    path.write_text("\n".join(["month,a", *(f"{day},{k}" for k, day in enumerate(days))]))
    table = read_demand(DemandSource(file=path), TODAY)
    assert (table.period, table.days) == ("month", len(days))
    assert [table.date(k) for k in range(table.days)] == days
    assert table.periods.number(dt.date(2021, 1, 20)) == (12 if end else 13)
    assert [table.periods.number(day) for day in days] == list(range(len(days)))
    words = describe_demand(table, DemandSource(file=path))
    assert f"{table.days} months from the month of {days[0]} to that of {days[-1]}" in words
    assert f"training   the month of {days[0]} to that of " in words
    assert "a step is a month: lead times" in words


def test_a_missing_week_is_named_by_its_date_and_filled_as_a_week(tmp_path):
    days = [START + dt.timedelta(weeks=k) for k in range(9) if k != 4]
    path = tmp_path / "weeks.csv"
    path.write_text("\n".join(["week,a", *(f"{day},3" for day in days)]))
    with pytest.raises(InputError, match=r"weeks.csv row 6: 2021-03-29 is missing before this row"):
        read_demand(DemandSource(file=path), TODAY)
    table = read_demand(DemandSource(file=path, fill="zero"), TODAY)
    assert table.demand[:, 0, 0].tolist() == [3, 3, 3, 3, 0, 3, 3, 3, 3]
    assert table.filled == "filled with 0: 1 missing weeks"


@pytest.mark.parametrize(
    ("step", "message"), [(14, "neither by day nor by week or month"), (30, "begins no month when")]
)
def test_what_is_neither_days_nor_weeks_nor_months_is_refused(read, step, message):
    with pytest.raises(InputError, match=message):
        read({"a": range(10)}, step=step)


def test_days_a_week_apart_are_days_where_that_is_said(read):
    table = read({"a": range(1, 4)}, step=7, fill="zero", period="day")
    assert (table.period, table.demand[:, 0, 0].tolist()) == ("day", [1, *[0] * 6, 2, *[0] * 6, 3])


def test_days_on_which_a_store_is_closed_are_filled(read):
    assert read({"a": range(1, 5)}, step=2, fill="zero").demand[:, 0, 0].tolist() == [
        *(1, 0, 2, 0, 3, 0, 4)
    ]


def test_a_year_of_weeks_with_a_day_that_slipped_is_refused_too(tmp_path):
    days = [START + dt.timedelta(days=7 * i + (i == 20)) for i in range(50)]
    path = tmp_path / "weeks.csv"
    path.write_text("\n".join(["date,a", *(f"{day},1" for day in days)]))
    with pytest.raises(InputError, match=r"weeks.csv row 22: 2021-07-20 begins no week when"):
        read_demand(DemandSource(file=path, fill="interpolate"), TODAY)


@pytest.fixture
def either(tmp_path):
    """A file whose dates and decimal mark may be either of two."""
    path = tmp_path / "either.csv"
    days = [f"{1 + i % 12:02}/{1 + i // 12:02}/2020;{1 + i}.500;9" for i in range(12 * 12)]
    path.write_text("\n".join(["date;north;south", *days]))
    return path


def test_the_remedies_of_messages_work_as_they_are_printed(either):
    form = "demand_data.date_format=%m/%d/%Y"
    with pytest.raises(InputError, match=r"or say --set demand_data.date_format=%d/%m/%Y or %m/%d"):
        resolve({"demand": either})
    with pytest.raises(InputError, match=r"may be 1.5 or 1500; .* say .*demand_data.decimal=,"):
        resolve({"demand": either, "fill": "zero"}, assignments=(form,))
    for mark, first in ((",", 1500), (".", 1.5)):
        settings = (form, f"demand_data.decimal={mark}")
        run = resolve({"demand": either, "fill": "zero"}, assignments=settings)
        assert run.parameters.history.table.demand[0, 0, 0] == first


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"split": "soon"}, "demand_data.split = 'soon': must be a date such as 2018-07-01"),
        ({"split": "2020-13-01"}, "split = '2020-13-01': must be a date such as"),
        ({"demand": "."}, "file = .*: is a folder; name the file in it, CSV or Parquet"),
        (
            {"prices": "either.csv"},
            r"unknown column in either.csv \(--set demand_data.column\) 'demand'; allowed: north",
        ),
    ],
)
def test_what_the_command_line_says_of_a_file_is_one_line(either, monkeypatch, flags, message):
    monkeypatch.chdir(either.parent)
    if "prices" not in flags:
        flags = {"demand": "either.csv", **flags}
    settings = ("demand_data.date_format=%m/%d/%Y", "demand_data.decimal=.")
    with pytest.raises(InputError, match=message) as refused:
        resolve(flags, assignments=settings)
    assert "\n" not in str(refused.value)


def test_a_date_without_dashes_is_a_date(either):
    assert DemandSource(file=either, split="20180701").split == dt.date(2018, 7, 1)
    assert DemandSource(file=either, split=20180701).split == dt.date(2018, 7, 1)


def test_columns_are_named_by_what_they_hold(read):
    assert named_columns(" demand = Stück , Store=shop") == {"demand": "Stück", "store": "shop"}
    for text, message in (
        ("demand", r"--columns 'demand': must be what it holds = its name"),
        ("price=preis", r"unknown what a column holds \(--columns\) 'price'"),
    ):
        with pytest.raises(InputError, match=message):
            named_columns(text)


def test_a_column_named_on_the_command_line_is_the_demand(tmp_path):
    path = tmp_path / "sales.csv"
    days = [START + dt.timedelta(days=k) for k in range(120)]
    rows = [f"{day},{place},{k}" for k, day in enumerate(days) for place in "ab"]
    path.write_text("\n".join(["when,place,pieces", *rows]) + "\n")
    run = resolve({"algo": "ppo", "demand": path, "columns": "demand=pieces,store=place"})
    assert run.parameters.history.table.stores == ("a", "b")
    with pytest.raises(InputError, match=r"unknown column in sales.csv .*'piece'; did you mean"):
        resolve({"algo": "ppo", "demand": path, "columns": "demand=piece"})
