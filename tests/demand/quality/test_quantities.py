"""Signs and units of quantities, which nothing that is filled in may hide."""

import pytest

from common.errors import InputError
from tests.demand.sales_files import wide

SALES = [(k + 10, k + 20) for k in range(20)]


@pytest.mark.parametrize("fill", [None, "zero", "interpolate"])
@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("{} pcs", "demand = '10 pcs' has a unit; write numbers without pcs"),
        ("{} Stk.", "demand = '10 Stk.' has a unit; write numbers without Stk"),
        ("-{}", "demand = -10 is negative, as most are; turn all signs, so that sales"),
        ("{}-", "demand = -10 is negative, as most are; turn all signs, so that sales"),
        ("({})", "demand = -10 is negative, as most are; turn all signs, so that sales"),
    ],
)
def test_units_and_outflows_are_refused_though_gaps_are_filled(read, fill, form, line):
    text = "date,store,demand\n" + "".join(
        f"2021-03-{k + 1:02},{store},{form.format(units)}\n"
        for k, pair in enumerate(SALES)
        for store, units in zip(("a", "b"), pair, strict=True)
    )
    with pytest.raises(InputError, match=f"row 2: {line}"):
        read(text, fill=fill)


@pytest.mark.parametrize("text", ["-4", "4-", "(4)", "\u22124", "4 -"])
def test_a_return_counts_against_sales_wherever_its_sign_stands(read, text):
    lines = f"date,store,demand\n2021-03-01,a,9\n2021-03-01,a,{text}\n2021-03-02,a,7\n"
    assert read(lines, repeated="sum").demand[:, 0, 0].tolist() == [5, 7]


def test_a_return_of_thousands_is_read_with_their_mark(read):
    lines = "date;store;demand\n2021-03-01;a;5.000,5\n2021-03-01;a;-1.234,5\n2021-03-02;a;7\n"
    assert read(lines, repeated="sum").demand[:, 0, 0].tolist() == [3766, 7]


def test_a_single_negative_value_is_filled_in_when_asked(read):
    table = read(wide([*SALES, (-1, 5)]), fill="zero")
    assert table.demand[-1, 0].tolist() == [0, 5]
    assert "1 values that are no quantity" in table.filled
