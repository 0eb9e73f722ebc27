"""What the report of a recommendation says of products, weeks and forecasts."""

import datetime as dt
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from demand.reader import DemandSource, read_demand
from evaluation.business.forecasts import ForecastRecord
from evaluation.business.service_curve import ServicePoint
from evaluation.replay import Replay
from evaluation.report.recommendation.contents import RecommendationContents
from evaluation.report.recommendation.figures import draw_money, draw_service
from evaluation.report.recommendation.text import MOST_ITEMS, RecommendationText

FIRST, DAYS = dt.date(2022, 1, 3), 60


@pytest.fixture
def text(tmp_path):
    """Return the text of a choice that costs 1 to n a day for products, the usual twice that."""

    def do(skus, stores, days=28, items=None):
        rows = [
            f"{FIRST + dt.timedelta(days=day)},store {n},item {k:02},1"
            for day in range(DAYS)
            for n in range(stores)
            for k in range(skus)
        ]
        path = tmp_path / "sales.csv"
        path.write_text("\n".join(["date,store,sku,demand", *rows]) + "\n")
        table = read_demand(DemandSource(file=path))
        shape = (days, skus, stores)
        cost = np.broadcast_to(1.0 + np.arange(skus * stores).reshape(skus, stores), shape)
        demand = np.full(shape, 4.0)
        demand[:, 0, 0] = 0.0  # nobody ever asks for the first product in the first store
        replays = {
            name: Replay(FIRST, factor * cost, demand, 0.75 * demand, demand, demand)
            for name, factor in (("choice", 1.0), ("usual", 2.0))
        }
        expected = 1.5 * demand
        return RecommendationText(
            RecommendationContents(
                **{"title": "", "sentence": "", "choice": "choice", "usual": "usual"},
                in_words={"usual": "what was done"},
                replays=replays,
                **{"origins": (), "split": FIRST, "folds": {}, "values": {}, "curves": {}},
                forecast=ForecastRecord("smoothing", 2, expected, demand),
                levels={},
                parameters=SimpleNamespace(history=SimpleNamespace(table=table, items=items)),
                facts={},
            )
        )

    return do


def table_of(text, name):
    return next((table for table in text.tables if table.name == name), None)


def test_products_that_cost_most_come_first_and_with_their_stores(text):
    items = table_of(text(2, 2), "items")
    assert items.columns[:2] == ["product", "store"]
    assert items.caption == "4 of 4. Saved: against what was done."
    assert [[cell for cell, _ in row] for row in items.shown] == [
        ["item 01", "store 1", "1,460", "1,460", "75.0%", "4.0", "1,460"],
        ["item 01", "store 0", "1,095", "1,095", "75.0%", "4.0", "1,460"],
        ["item 00", "store 1", "730", "730", "75.0%", "4.0", "1,460"],
        ["item 00", "store 0", "365", "365", "", "0.0", "0"],
    ]


def test_a_fill_rate_that_was_asked_for_stands_beside_what_was_reached(text):
    targets = np.array([[np.nan, 0.9], [0.98, np.nan]])
    items = table_of(text(2, 2, items=SimpleNamespace(targets=targets)), "items")
    assert items.columns[4:6] == ["demand served", "to be served"]
    assert [[cell for cell, _ in row][4:6] for row in items.shown] == [
        *(["75.0%", ""], ["75.0%", "98.0%"], ["75.0%", "90.0%"], ["", ""]),
    ]


def test_only_the_dearest_of_many_products_are_listed_and_one_alone_is_not(text):
    items = table_of(text(20, 1), "items")
    assert items.columns[:2] == ["product", "cost a year"]
    assert [row[0] for row in items.rows] == [f"item {k:02}" for k in range(19, 4, -1)]
    assert items.caption.startswith("15 of 20.")
    assert table_of(text(1, 2), "items") is None


def test_forecasts_are_judged_by_store_and_by_product_while_these_are_few(text):
    judged = [row[0] for row in table_of(text(2, 2), "accuracy").shown]
    assert [name for name, _ in judged] == [
        *("all", "store store 0", "store store 1", "product item 00", "product item 01"),
    ]
    accuracy = table_of(text(MOST_ITEMS + 1, 1), "accuracy")
    assert [[cell for cell, _ in row] for row in accuracy.shown] == [["all", "50.0%", "+50.0%"]]
    assert "2 days before it" in accuracy.caption


def test_a_forecast_of_what_nobody_asked_for_is_off_by_no_share(text):
    contents = text(2, 1)._c
    record = contents.forecast
    accuracy = table_of(
        RecommendationText(
            replace(contents, forecast=replace(record, expected=record.expected + 1.0))
        ),
        "accuracy",
    )
    assert [[cell for cell, _ in row] for row in accuracy.shown] == [
        *(["all", "100.0%", "+100.0%"], ["product item 00", "", ""]),
        ["product item 01", "75.0%", "+75.0%"],
    ]


def test_an_evaluation_of_less_than_a_week_has_no_worst_weeks(text):
    (worst,) = table_of(text(1, 2, days=8), "bad_weeks").rows
    assert worst[:4] == ["1", FIRST.isoformat(), 21.0, 42.0]
    assert table_of(text(1, 2, days=6), "bad_weeks") is None


@pytest.mark.parametrize("dearer", [0.0, 5.0])
def test_a_choice_that_costs_nothing_is_drawn_beside_others(text, dearer):
    contents, free = text(2, 1)._c, np.zeros((2, 1))
    replays = {
        name: replace(one, cost=cost + 0.0 * one.cost, parts={"holding": free + 28 * cost})
        for (name, one), cost in zip(contents.replays.items(), (0.0, dearer), strict=True)
    }
    points = [ServicePoint("as recommended", 1.0, 1.0, 0.0, 0.0)]
    contents = replace(contents, replays=replays, curves={"choice": points})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        money = draw_money(contents, wide=True)
        draw_service(contents, wide=True)
    bars = [bar.get_width() for bar in money.axes[0].patches]
    assert max(bars, default=0.0) == pytest.approx(2 * 365 * dearer)


def test_a_line_has_its_name_below_where_its_own_point_is_out_of_sight(text):
    contents = text(2, 1)._c
    replays = {
        name: replace(one, parts={"holding": one.cost}) for name, one in contents.replays.items()
    }
    replays["usual"] = replace(replays["usual"], sales=0.0 * replays["usual"].sales)
    near = [ServicePoint("as recommended", 1.0, 0.75, 100.0, 0.0)]
    contents = replace(contents, replays=replays, curves={"choice": near, "usual": near})
    legend = draw_service(contents, wide=True).legends[0]
    assert {one.get_text() for one in legend.get_texts()} == {"choice", "usual"}
