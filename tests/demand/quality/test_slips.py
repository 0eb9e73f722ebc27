import numpy as np
import pytest

from tests.demand.sales_files import wide

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
