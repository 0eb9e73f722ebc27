import numpy as np
import pytest

from common.errors import InputError, validated
from envs.cash.batch import CashBatch
from envs.cash.kernels import DEMAND, PRODUCT_PRICE, RAW_PRICE
from envs.cash.parameters import CashParameters
from envs.cash.price_history import DemandFile, demand_period
from envs.problems import PROBLEMS
from evaluation.estimators import estimator_for

DAYS = 60


def market(tmp_path, **columns):
    """Return the settings of a file whose numbers tell their day."""
    day = np.arange(DAYS)
    values = {"raw_price": 1 + day, "product_price": 100 + day, "demand": 10 * day, **columns}
    dates = np.datetime64("2020-01-01") + day
    rows = zip(dates, *values.values(), strict=True)
    lines = [",".join(["date", *values]), *(",".join(map(str, row)) for row in rows)]
    file = tmp_path / "prices.csv"
    file.write_text("\n".join(lines) + "\n")
    return {
        "file": file,
        "column": "demand",
        "raw_price": "raw_price",
        "product_price": "product_price",
        "split": "2020-02-15",
        "validation": "2020-02-05",
    }


def test_a_step_sees_the_prices_of_its_day_and_the_demand_of_the_day_before(tmp_path):
    p = validated(CashParameters, {"demand_data": market(tmp_path), "max_steps": 5})
    batch = CashBatch(p, 40)
    batch.reset()
    yesterday = batch.rows[DEMAND] / 10
    assert len(np.unique(yesterday)) > 5
    for step in range(5):
        np.testing.assert_array_equal(batch.rows[DEMAND] / 10, yesterday + step)
        np.testing.assert_allclose(batch.rows[RAW_PRICE], 1 + yesterday + 1 + step)
        np.testing.assert_allclose(batch.rows[PRODUCT_PRICE], 100 + yesterday + 1 + step)
        if step < 4:
            batch.step(np.zeros(40, np.int64))


@pytest.mark.parametrize(
    ("split", "first", "last"),
    [("training", 0, 34), ("tuning", 0, 34), ("validation", 35, 44), ("evaluation", 45, 59)],
)
def test_prices_stay_within_the_period(tmp_path, split, first, last):
    p = validated(CashParameters, {"demand_data": market(tmp_path), "max_steps": 5})
    batch = CashBatch(p, 500, split=split)
    batch.reset()
    days = batch.rows[RAW_PRICE] - 1
    assert days.min() == first + 1  # the day before is observed, so it is within the period too
    assert days.max() == last - 4


def test_an_evaluation_plays_every_window_of_days_with_prices_once(tmp_path):
    p = validated(CashParameters, {"demand_data": market(tmp_path), "max_steps": 5})
    trace = PROBLEMS["cash"].traces(p, "evaluation", 1, 10)
    assert trace["raw_price"].tolist() == [1.0 + day for day in range(46, 56)]
    for split, episodes in (("evaluation", 9), ("validation", 10)):  # drawn: fewer, or to choose by
        assert len(PROBLEMS["cash"].traces(p, split, 1, episodes)["raw_price"]) == episodes
    _, _, (note,) = estimator_for(PROBLEMS["cash"], p, trace)
    assert "in all 10 windows of 6 that overlap" in note


def test_defaults_suit_the_market_and_give_way(tmp_path):
    source = market(tmp_path, demand=np.full(DAYS, 180), raw_price=np.full(DAYS, 5.0))
    p = validated(CashParameters, {"demand_data": source})
    assert (p.convert_lots, p.buy_lots) == ((90, 180, 360), (180, 360, 720))
    assert (p.initial_cash, p.max_steps, p.objective) == (18_000.0, 28, "profit")
    own = {"demand_data": source, "max_steps": 3, "buy_lots": [7], "objective": "shaped"}
    p = validated(CashParameters, own)
    assert (p.max_steps, p.buy_lots, p.objective) == (3, (7,), "shaped")
    again = validated(CashParameters, p.model_dump(mode="json"))
    assert again == p


def test_days_of_evaluation_change_no_default(tmp_path):
    source = market(tmp_path)
    before = validated(CashParameters, {"demand_data": source}).model_dump(exclude={"demand_data"})
    late = np.where(np.arange(DAYS) < 45, 10 * np.arange(DAYS), 9999)
    source = market(tmp_path, demand=late)
    after = validated(CashParameters, {"demand_data": source}).model_dump(exclude={"demand_data"})
    assert before == after


def test_a_column_called_product_is_a_price(tmp_path):
    source = market(tmp_path)
    text = source["file"].read_text().replace("product_price", "product", 1)
    source["file"].write_text(text)
    history = demand_period(DemandFile(**{**source, "product_price": "product"}), "training")
    np.testing.assert_array_equal(history.prices[:3], [[1, 100], [2, 101], [3, 102]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"raw_price": None}, "raw_price and product_price need one another"),
        (
            {"raw_price": "raw"},
            r"unknown column in prices.csv \(--set .*raw_price\) 'raw'; allowed: demand, ",
        ),
        ({"column": "date"}, r"unknown column in prices.csv \(--set .*column\) 'date'"),
    ],
)
def test_wrong_columns_are_one_line(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        validated(CashParameters, {"demand_data": {**market(tmp_path), **change}}).demand_law()


def test_a_price_of_zero_names_its_day(tmp_path):
    prices = np.where(np.arange(DAYS) == 20, 0, 5)
    source = DemandFile(**market(tmp_path, raw_price=prices))
    with pytest.raises(InputError, match=r"raw_price is 0 on 2020-01-21; prices must be at least"):
        demand_period(source, "training")


def test_a_file_of_demand_alone_has_no_prices_to_play(tmp_path):
    source = {**market(tmp_path), "raw_price": None, "product_price": None}
    history = demand_period(DemandFile(**source), "training")
    with pytest.raises(ValueError, match="the file has no prices"):
        history.every_trace(5)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [f"{np.datetime64('2020-01-06') + day},shop,{s},5" for day in range(60) for s in "ab"],
            "holds 2 SKUs; keep the rows of one",
        ),
        (
            [f"{np.datetime64('2020-01-06') + 7 * week},shop,a,5" for week in range(60)],
            "its dates are weeks apart, and the cash problem is by day; export it by day",
        ),
    ],
)
def test_a_file_that_is_not_of_one_product_by_day_is_refused(tmp_path, rows, message):
    (tmp_path / "long.csv").write_text("\n".join(["date,store,sku,units", *rows]))
    source = DemandFile(file=tmp_path / "long.csv", column="shop", split="2020-02-10")
    with pytest.raises(InputError, match=rf"^long\.csv: {message}"):
        demand_period(source, "training")


@pytest.mark.parametrize("wrong", [0, 1001, "two"])
def test_a_wrong_recipe_is_named_before_defaults_are_made_of_it(tmp_path, wrong):
    with pytest.raises(InputError, match=f"^raw_per_product = {wrong!r}: "):
        validated(CashParameters, {"demand_data": market(tmp_path), "raw_per_product": wrong})
