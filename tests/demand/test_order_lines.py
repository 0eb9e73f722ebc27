"""Files with several rows of a product a day: order lines, hours, returns."""

import pytest

from agents.config import resolve
from common.errors import InputError

LINES = """date,receipt,store,sku,quantity,price,in_stock
2021-03-01,1,a,x,5,2.50,1
2021-03-01,1,a,y,4,1.00,1
2021-03-01,2,a,x,3,2.50,0
2021-03-01,3,a,x,-1,2.50,1
2021-03-02,4,a,y,1,1.00,1
2021-03-02,4,a,x,2,2.00,1
"""
HINT = "is a duplicate of row 2; remove one, or add them up, or say --set demand_data.repeated=sum"


def test_rows_of_a_day_are_added_up_when_asked_and_returns_count_against_sales(read):
    table = read(LINES, repeated="sum")
    assert table.skus == ("x", "y")
    assert table.demand[:, :, 0].tolist() == [[7, 4], [2, 1]]
    assert table.cut_off[:, :, 0].tolist() == [[True, False], [False, False]]
    (price,) = table.covariates.columns
    assert price.values[:, :, 0].tolist() == [[2.5, 1], [2, 1]]
    wide = "day,north,south\n2021-03-01,1,9\n2021-03-02,2,8\n2021-03-02,3,-1\n"
    assert read(wide, repeated="sum").demand[:, 0].tolist() == [[1, 9], [5, 7]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("x,-1", "x,-9"), "row 2 of 'x': quantity = -1 is negative; keep returns apart"),
        (("y,1,1.00", "y,many,1.00"), "row 6 of 'y': quantity = 'many' is not a number"),
        (("02,4,a,y", "02,4,a,z"), "2021-03-02 of 'y' is missing, row 3 is its last one"),
    ],
)
def test_what_does_not_add_up_is_refused_with_its_row(read, change, message):
    with pytest.raises(InputError, match=message.replace("= -1", "= '-1'")):
        read(LINES.replace(*change), repeated="sum")


def test_numbers_of_receipts_are_not_taken_for_what_tells_products_apart(read):
    with pytest.raises(InputError, match=HINT):
        read(LINES)
    one = "\n".join(line for line in LINES.splitlines() if ",y," not in line)
    with pytest.raises(InputError, match=HINT):
        read(one)


def test_prices_are_not_added_up(tmp_path):
    path = tmp_path / "market.csv"
    path.write_text("date,demand,raw_price,product_price\n2021-03-01,1,2,3\n")
    with pytest.raises(InputError, match="repeated = sum: prices are not added up"):
        resolve({"prices": path}, assignments=("demand_data.repeated=sum",))
