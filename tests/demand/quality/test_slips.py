import numpy as np
import pytest

from common.errors import InputError
from tests.demand.sales_files import long, wide

SALES = np.random.default_rng(0).poisson(20, (14, 3))


@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_column_of_totals_is_no_store(read, place):
    """Else all demand counted twice."""
    names = ["a", "b", "c"]
    names.insert(place, "Gesamt")
    rows = np.insert(SALES, place, SALES.sum(axis=1), axis=1)
    table = read(wide(rows, header=",".join(["date", *names])))
    assert table.stores == ("a", "b", "c")
    np.testing.assert_array_equal(table.demand[:, 0], SALES)
    assert table.columns == "columns: date, a, b, c; left out: Gesamt (the sum of the others)"
    every = read(wide(rows, header=",".join(["date", *names])), stores=tuple(names))
    assert every.stores == tuple(names)


@pytest.mark.parametrize("rows", [SALES, SALES[:, [0, 0]], np.insert(SALES, 0, 0, axis=1) * 0 + 1])
def test_stores_that_add_up_to_nothing_else_stay(read, rows):
    header = ",".join(["date", *"abcd"[: rows.shape[1]]])
    assert len(read(wide(rows, header=header)).stores) == rows.shape[1]


@pytest.mark.parametrize("fill", [None, "zero"])
def test_a_name_written_in_two_ways_is_no_second_store(read, fill):
    """Else --fill zero made two stores of it, each without demand on the days of the other."""
    text = long(SALES.reshape(14, 1, 3))
    message = "row 8: store = 'S 0' is written 's0' on other days; write it in one way"
    with pytest.raises(InputError, match=message):
        read(text.replace("2021-03-03,s0", "2021-03-03,S 0"), fill=fill)
    assert read(text.replace("s1", "S0"), fill=fill).stores == ("s0", "S0", "s2")
