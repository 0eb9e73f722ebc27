"""An items file: what is understood, and what is refused with row, column, value and remedy."""

from types import SimpleNamespace

import numpy as np
import pytest

from common.errors import InputError
from demand.economics.item_columns import COLUMNS
from demand.economics.items import read_items
from demand.reader import file_version
from demand.summary import describe_items

STORES, SKUS = ("north", "south"), ("bread", "rolls", "cake")


@pytest.fixture
def read(tmp_path):
    def do(text):
        path = tmp_path / "items.csv"
        path.write_text(text, encoding="utf-8")
        return read_items(path, file_version(path), STORES, SKUS)

    return do


def test_a_more_special_row_wins_and_an_empty_cell_says_nothing(read):
    items = read(
        "store,sku,holding_cost,stockout_cost,pack,supplier\n"
        ",,0.1,5,,Acme\n"
        "south,bread,0.4,,,\n"
        ",bread,0.3,7,6,\n"
        "south,,0.2,,,Baker\n"
    )
    assert items.given("holding_cost").tolist() == [[0.3, 0.4], [0.1, 0.2], [0.1, 0.2]]
    assert items.lost_sale().tolist() == [[7, 7], [5, 5], [5, 5]]
    assert np.isnan(items.given("order_multiple")).tolist() == [[False] * 2, [True] * 2, [True] * 2]
    assert items.suppliers == (("Acme", "Baker"),) * 3
    assert items.where(0, 1) == "items.csv row 3"


@pytest.mark.parametrize(
    ("column", "kept", "refused"),
    [
        ("service_level", (0.001, 0.9999), (0.0, 0.99991)),
        ("lead_time", (0.0, 60.0), (-1.0, 61.0)),
        ("shelf_life", (1.0, 60.0), (0.0, 61.0)),
        ("order_multiple", (0.001, 1e9), (0.0, 1.01e9)),
        ("minimum_order", (0.0, 1e9), (-0.001, 1.01e9)),
        ("shelf_capacity", (0.001, 1e9), (0.0, 1.01e9)),
    ],
)
def test_the_least_and_the_most_of_a_column_are_as_its_message_says(column, kept, refused):
    assert all(map(COLUMNS[column].holds, kept))
    assert not any(map(COLUMNS[column].holds, refused))


def test_price_and_unit_cost_give_the_cost_of_a_lost_sale_where_no_other_is_named(read):
    items = read(
        "sku,unit_cost,price,stockout_cost,service_level\n"
        "bread,1,2.5,,\nrolls,1,2.5,4,\ncake,1,2.5,,0.9\n"
    )
    assert items.lost_sale()[:, 0].tolist()[:2] == [1.5, 4.0]
    assert np.isnan(items.lost_sale()[2]).all()
    assert items.targets[2].tolist() == [0.9, 0.9]


def test_a_service_level_of_a_more_special_row_replaces_a_stockout_cost(read):
    items = read("store,sku,stockout_cost,service_level\n,,8,\nnorth,cake,,98%\n")
    assert items.targets[2, 0] == 0.98
    assert np.isnan(items.lost_sale()[2, 0])
    assert items.lost_sale()[2, 1] == 8


def test_other_languages_numbers_and_names(read):
    items = read(
        "Filiale;Artikel;Einkaufspreis;Verkaufspreis;Gebinde;Lieferzeit;Servicegrad;Farbe\n"
        "north;bread;1.234,50;2.000,00;12;3;;rot\n"
        ";cake;0,80;1,20;;3;97,5 %;blau\n"
    )
    assert items.lost_sale()[0, 0] == 765.5
    assert items.targets[2, 0] == 0.975
    assert items.lead_time == 3
    assert "left out: Farbe" in items.note
    assert "3 of 6 items are not in it" in items.note


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("sku,price\nbread,cheap\n", ["row 2", "price = 'cheap'", "a number from 0", "correct it"]),
        ("sku,holding_cost\nbread,1\nrolls,-2\n", ["row 3", "holding_cost = '-2'", "from 0"]),
        ("sku,service_level\nbread,95\n", ["row 2", "service_level = '95'", "0.95 or 95%"]),
        ("sku,pack\nbread,0\n", ["row 2", "pack = '0'", "above 0"]),
        ("sku,lead_time\nbread,1.5\n", ["row 2", "lead_time = '1.5'", "whole number"]),
        ("sku,lead_time\nbread,1\nrolls,2\n", ["row 3", "lead_time = 2, and 1 in row 2", "run of"]),
        ("sku,unit_cost,price\nbread,2,2\n", ["row 2", "price = 2", "give a stockout_cost"]),
        ("sku,unit_cost,salvage\nbread,2,3\n", ["row 2", "salvage = 3", "above the unit cost"]),
        (
            "store,sku,unit_cost,price\n,,3,\n,bread,1,2\n,rolls,,2\n",
            ["row 4", "price = 2", "not above the unit cost"],
        ),
        ("sku,unit_cost,price\nbread,5%,2\n", ["row 2", "unit_cost = '5%'", "a number from 0"]),
        (
            "sku,service_level,stockout_cost\nbread,0.9,3\n",
            ["row 2", "service_level = '0.9'", "leave one of the two cells empty"],
        ),
        ("sku,pack,shelf_capacity\nbread,12,6\n", ["row 2", "shelf_capacity = '6'", "least order"]),
        ("sku,price\nbread,1\nbread,2\n", ["row 3", "the same as row 2", "remove one"]),
        ("sku,price\npizza,1\n", ["row 2", "'pizza' is not in the demand file"]),
        ("product_group,price\nx,1\n", ["names no store and no SKU", "add a column"]),
        ("sku,colour\nbread,red\n", ["has none of unit_cost", "columns: ['sku', 'colour']"]),
        ("sku,price\n", ["holds a header and no items"]),
    ],
)
def test_every_fault_is_one_line_with_row_column_value_and_remedy(read, text, parts):
    with pytest.raises(InputError) as error:
        read(text)
    message = str(error.value)
    assert "\n" not in message
    for part in ("items.csv", *parts):
        assert part in message


def test_the_description_tells_lead_time_and_what_service_levels_come_to(read):
    items = read("store,sku,service_level,lead_time\nsouth,bread,0.9,2\n,cake,98.5%,2\n")
    costs = SimpleNamespace(service_costs=(1.25, 4.0, 1500.0))
    told = describe_items(items, costs)
    assert told.startswith(f"\n{items.note}\n")
    lead_time, levels = told.splitlines()[-2:]
    assert lead_time == "items.csv: lead time 2, of all items"
    assert levels == (
        "service levels of 3 items, 90.0% to 98.5%, are those of stockout costs 1.25 to 1,500 in "
        "the training period"
    )
    alike = read("sku,service_level\nbread,0.9\ncake,90%\n")
    one = describe_items(alike, SimpleNamespace(service_costs=(2.0, 2.0)))
    assert one.endswith("2 items, 90.0%, are those of stockout costs 2 in the training period")
    plain = read("sku,price,cost\nbread,2,1\n")
    nothing = SimpleNamespace(service_costs=None)
    assert describe_items(plain, nothing) == f"\n{plain.note}"
    assert describe_items(None, nothing) == ""
