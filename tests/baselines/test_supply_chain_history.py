import numpy as np
import pytest

from baselines import supply_chain_families
from baselines import supply_chain_history as rules
from baselines.registry import HISTORY_BASELINES, make_baselines
from inventory.errors import InputError, validated
from inventory.problems import PROBLEMS
from inventory.store_history import KNOWN_DAYS
from inventory.supply_chain import SupplyChainBatch
from inventory.supply_chain_parameters import SupplyChainParameters

DAYS = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
WEEK = np.array([40, 10, 20, 30, 30, 60, 20])


@pytest.fixture
def weekly(tmp_path):
    """Two stores, whose demand hangs on the weekday, one with chance."""
    rng = np.random.default_rng(0)
    usual = WEEK[np.arange(DAYS.size) % 7]
    path = tmp_path / "sales.csv"
    rows = [f"{day},{u},{x}" for day, u, x in zip(DAYS, usual, rng.poisson(2 * usual), strict=True)]
    path.write_text("\n".join(["date,sure,chancy", *rows]))
    given = {"demand_data": {"file": path, "split": "2021-01-01"}, "objective": "cost"}
    grid = {"order_units": list(range(0, 400, 2)), "lead_time": 1}
    return validated(SupplyChainParameters, {**given, "store": grid, "horizon": 14})


def test_forecasts_are_of_the_days_until_the_next_order_can_arrive(weekly):
    batch = SupplyChainBatch(weekly, 50, split="evaluation")
    batch.reset()
    for day in range(12):
        ahead = batch.past.demand[KNOWN_DAYS + day :][:2, :, 0].sum(axis=0)
        np.testing.assert_allclose(
            rules.coming(batch.past, day, np.full(50, 2), "weekday")[:, 0], ahead
        )
        average = rules.coming(batch.past, day, np.full(50, 2), "average")[:, 0]
        np.testing.assert_allclose(average, 2 * WEEK.mean())


def test_errors_of_forecasts_are_those_of_the_training_days(weekly):
    weekday = rules.error_quantiles(weekly.history, 0, 2, "weekday", 0.5)
    average = rules.error_quantiles(weekly.history, 0, 2, "average", 0.99)
    np.testing.assert_allclose(weekday[0], 0, atol=1e-12)
    assert average[0] == pytest.approx((90 - 60) / 30)  # Fridays and Saturdays
    assert abs(weekday[1]) < 0.2
    high = rules.error_quantiles(weekly.history, 0, 2, "weekday", 0.99)
    assert 0.3 < high[1] < 0.8


def test_the_newsvendor_on_weekdays_orders_what_is_needed(weekly):
    batch = SupplyChainBatch(weekly, 200, split="evaluation")
    costs = {}
    for name in ("newsvendor_average", "newsvendor_weekday"):
        policy = make_baselines("stores", weekly, [name])[name]
        policy.bind(batch)
        batch.reset(PROBLEMS["stores"].traces(weekly, "evaluation", 0, 200))
        for _ in range(14):
            batch.step(policy.predict(batch.observation())[0])
        costs[name] = -batch.sites["total_return"].mean(axis=0)
    assert (costs["newsvendor_weekday"] < costs["newsvendor_average"]).all()
    # what lies overnight is the next day's demand, for it is ordered a day before
    assert batch.sites["total_stockout_penalty"][:, 0].max() < 10  # a unit, for orders are even


def test_rivals_of_a_file_are_tuned_on_its_training_days(weekly, monkeypatch):
    monkeypatch.setattr(supply_chain_families, "WORK", 20_000)
    monkeypatch.setattr(supply_chain_families, "EPISODES", (5, 10))
    store = weekly.store.model_copy(update={"order_units": None})
    weekly = weekly.model_copy(update={"store": store})
    made = make_baselines("stores", weekly, ["default"], seed=1)
    assert list(made) == list(HISTORY_BASELINES)
    assert "RollingBaseStock('weekday', cover=" in repr(made["tuned_weekday"])
    assert "RollingNewsvendor('average')" in repr(made["newsvendor_average"])
    with pytest.raises(InputError, match="unknown baseline 'tuned_capped'"):
        make_baselines("stores", weekly, ["tuned_capped"])


def test_a_rule_for_files_needs_a_file():
    batch = SupplyChainBatch(validated(SupplyChainParameters, {}), 2)
    with pytest.raises(InputError, match="needs demand of a file; set demand_data"):
        rules.RollingNewsvendor("average").bind(batch)
