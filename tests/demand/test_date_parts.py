"""Dates whose year, week, month or day have columns of their own."""

import datetime as dt

import pytest

from common.errors import InputError

MONDAYS = [dt.date(2020, 11, 30) + dt.timedelta(weeks=k) for k in range(20)]
DAYS = [dt.date(2020, 12, 20) + dt.timedelta(days=k) for k in range(40)]
NAMES = "Jan Februar März Apr Mai Juni Juli Aug Sept. Okt. Nov Dezember"


def iso(day, form):
    year, week, _ = day.isocalendar()
    return form.format(year, week)


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("year,week", "{},{}"),
        ("Jahr,KW", "{},{:02}"),
        ("Année,Semaine", "{}.0,{}.0"),
        ("Jahr,Woche", "{},KW {}"),
        ("week", "{}{:02}"),
        ("Kalenderwoche", "{1:02}.{0}"),
    ],
)
@pytest.mark.parametrize("layout", ["wide", "long"])
def test_a_week_beside_its_year_is_a_date(read, header, form, layout):
    more, row = (",north,south", "{},{},9") if layout == "wide" else (",store,demand", "{},a,{}")
    rows = [row.format(iso(day, form), k) for k, day in enumerate(MONDAYS)]
    table = read("\n".join([header + more, *rows]))
    assert (table.period, table.first_day, table.days) == ("week", MONDAYS[0], 20)
    assert table.demand[:, 0, 0].tolist() == list(range(20))
    assert table.columns.startswith(f"columns: {header.replace(',', ', ')}, ")


@pytest.mark.parametrize("month", ["{0.month}", "{0.month:02}", "{1}"])
@pytest.mark.parametrize("period", ["day", "month"])
def test_a_month_beside_its_year_is_a_date(read, month, period):
    days = DAYS if period == "day" else [dt.date(2018 + k // 12, k % 12 + 1, 1) for k in range(40)]
    parts = "Jahr,Monat,Tag" if period == "day" else "year,month"
    written = [month.format(day, NAMES.split()[day.month - 1]) for day in days]
    rows = [
        f"{day.year},{text}{f',{day.day}' if period == 'day' else ''},{k}"
        for k, (day, text) in enumerate(zip(days, written, strict=True))
    ]
    table = read("\n".join([f"{parts},north", *rows]))
    assert (table.period, table.first_day, table.days) == (period, days[0], 40)
    assert table.demand[:, 0, 0].tolist() == list(range(40))


def test_a_date_counts_before_its_parts(read):
    rows = [f"{d},{iso(d, '{},{}')},{k}" for k, d in enumerate(DAYS)]
    for header in ("date,year,week,north", "Datum,Jahr,KW,north"):
        table = read("\n".join([header, *rows]))
        assert (table.period, table.first_day, table.days) == ("day", DAYS[0], 40)
        assert table.stores == ("north",)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("2020,53,", "2020,54,", "row 6: year, week = '2020-W54' is not a date"),
        ("2021,1,", "2021,one,", "row 7: year, week = '2021 one' is not a date"),
        ("2021,2,", "2021,1,", "row 8: 2021-01-04 is a duplicate of row 7"),
    ],
)
def test_parts_that_are_no_date_are_named_with_their_columns(read, old, new, line):
    rows = [f"{iso(day, '{},{}')},{k}" for k, day in enumerate(MONDAYS)]
    text = "\n".join(["year,week,north", *rows])
    with pytest.raises(InputError, match=line):
        read(text.replace(old, new, 1))
