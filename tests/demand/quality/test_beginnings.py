import datetime as dt

import numpy as np
import pytest

from commands.known_days import read_later
from common.errors import InputError
from demand.history import StoreDemand, store_history
from demand.past_orders import read_past_orders
from demand.reader import DemandSource
from demand.summary import describe_demand
from tests.demand.sales_files import START, long, wide

UNITS = np.arange(80).reshape(20, 2, 2) + 1
BEGINS = np.array([[0, 5], [3, 0]])
"""By SKU and store."""


def late(values=UNITS, begins=BEGINS, header="date,store,sku,demand", more=""):
    """Return a long file in which series have no rows before they begin."""
    rows = [
        f"{START + dt.timedelta(days=t)},s{n},k{k},{values[t, k, n]}{more}"
        for (t, k, n) in np.ndindex(values.shape)
        if t >= begins[k, n]
    ]
    return "\n".join([header, *rows]) + "\n"


@pytest.mark.parametrize("fill", [None, "zero", "interpolate"])
def test_what_is_launched_later_is_not_yet_sold_before(read, fill):
    table = read(late(), fill=fill)
    before = np.arange(20)[:, None, None] < BEGINS
    np.testing.assert_array_equal(table.demand, np.where(before, 0, UNITS))
    np.testing.assert_array_equal(table.begins, BEGINS)
    assert table.filled == ""
    words = describe_demand(table, DemandSource(file=__file__))
    line = "2 of 4 series begin later, and count as not yet sold before: s1 k0 (2021-03-06); s0 k1"
    assert line in words


@pytest.mark.parametrize("fill", [None, "interpolate"])
def test_leading_empty_cells_mean_the_same_and_gaps_are_still_refused(read, fill):
    rows = [["", ""], ["", 4], ["", 5], [7, 6], [8, 7]]
    table = read(wide(rows), fill=fill)
    assert table.first_day == START + dt.timedelta(days=1)
    assert table.demand[:, 0].tolist() == [[0, 4], [0, 5], [7, 6], [8, 7]]
    assert table.begins.tolist() == [[2, 0]]
    assert read(long(np.array(rows)[:, None]), fill=fill).begins.tolist() == [[2, 0]]
    chosen = read(wide(rows), stores=("north",))
    assert (chosen.days, chosen.begins) == (2, None)
    with pytest.raises(InputError, match="row 4 of 'south': the demand is empty; add it"):
        read(wide([["", 4], ["", 5], [7, ""], [8, 7]]))
    with pytest.raises(InputError, match="row 3 of 'north': '-4' is negative"):
        read(wide([["", 4], [-4, 5], [8, 7]]))
    with pytest.raises(InputError, match="2021-03-09 of 's1', 'k0' is missing before this row"):
        read(late().replace("2021-03-09,s1,k0,34\n", ""))


def test_a_store_that_closed_is_refused_with_what_to_do_about_it(read):
    gone = late(begins=np.zeros((2, 2)))
    for day in range(15, 20):
        for name in ("s1,k0", "s0,k1"):
            start = gone.index(f"{START + dt.timedelta(days=day)},{name}")
            gone = gone[:start] + gone[gone.index("\n", start) + 1 :]
    remedy = "leave out what is no longer sold, and add the rest of what is, or let --fill zero"
    message = (
        f"2021-03-16 of 's1', 'k0' is missing, row 59 is its last one, and 1 more .*; {remedy}"
    )
    with pytest.raises(InputError, match=message):
        read(gone)
    message = f"row 4 of 'north': the demand is empty up to the end; {remedy}"
    with pytest.raises(InputError, match=message):
        read(wide([[1, 4], [2, 5], ["", 7], ["", 8]]))


def test_goods_ran_out_on_no_day_before_a_series_begins(read):
    text = "date,store,sales,in_stock\n"
    for t in range(6):
        day = START + dt.timedelta(days=t)
        text += f"{day},a,5,1\n{day},b,{'' if t < 3 else 2},{int(t > 3)}\n"
    table = read(text)
    assert table.begins.tolist() == [[0, 3]]
    assert np.argwhere(table.cut_off).tolist() == [[3, 0, 1]]


def test_that_a_series_begins_is_no_shift_of_its_level(read):
    rng = np.random.default_rng(0)
    table = read(late(rng.poisson(50, (200, 2, 2)), np.array([[0, 90], [0, 0]])))
    assert "level shifts" not in describe_demand(table, DemandSource(file=__file__))


@pytest.fixture
def known(tmp_path):
    path = tmp_path / "sales.csv"
    path.write_text(late(np.tile(UNITS, (4, 1, 1)), np.array([[0, 5], [70, 0]])))
    split = START + dt.timedelta(days=60)
    return store_history(StoreDemand(file=path, split=split, validation="2021-04-20"))


@pytest.mark.parametrize("what", ["history", "orders"])
def test_a_file_that_goes_on_begins_with_all_that_was_sold_before(known, tmp_path, what):
    """Else the days that an extract lacks were taken for those of a series that is not yet sold."""
    path = tmp_path / "more.csv"
    read = (
        (lambda: read_later(known, path))
        if what == "history"
        else (lambda: read_past_orders(path, known).table)
    )
    header = "date,store,sku,demand" if what == "history" else "date,store,sku,orders"
    values = np.tile(UNITS, (4, 1, 1))
    path.write_text(late(values, np.array([[0, 5], [70, 0]]), header))
    assert read().begins.tolist() == [[0, 5], [70, 0]]
    path.write_text(late(values, np.array([[0, 64], [70, 0]]), header))
    first = "2021-03-06" if what == "history" else "2021-04-30"
    missing = f"more.csv: {first} to 2021-05-03 of s1 k0 are missing, and sales.csv has it before"
    with pytest.raises(InputError, match=missing):
        read()
