"""What a replay means for a business, on replays small enough to work out by hand."""

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pytest

from agents.config import resolve
from baselines.registry import rules_in_units
from baselines.rules.store import Newsvendor
from evaluation.business.economics import StockValue, other_costs, stock_value
from evaluation.business.forecasts import forecast_record
from evaluation.business.levels import LevelRecord, level_records
from evaluation.business.service_curve import MULTIPLES, service_curve
from evaluation.business.weeks import by_week, first_days, worst_weeks
from evaluation.replay import Replay, replay

MONDAY = dt.date(2024, 1, 1)


def played(cost, *, demand=None, sales=None, on_hand=None, period="day", parts=None):
    """Return a replay of one SKU in two stores, from costs of shape (days, 1, 2)."""
    none = np.zeros_like(cost)
    asked = none if demand is None else demand
    return Replay(
        MONDAY,
        cost,
        asked,
        asked if sales is None else sales,
        none if on_hand is None else on_hand,
        none,
        period,
        parts or {},
    )


def test_the_worst_weeks_are_the_dearest_whole_ones():
    cost = np.ones((24, 1, 2))
    cost[8, 0, 1] = 50.0  # on a Tuesday of the second week
    cost[16, 0, 0] = 20.0
    cost[22] = 1000.0  # in a week that is not whole
    demand, sales = np.full((24, 1, 2), 3.0), np.full((24, 1, 2), 3.0)
    demand[8, 0, 1], sales[8, 0, 1] = 17.0, 4.0
    own = played(cost, demand=demand, sales=sales)
    one, two, three = worst_weeks(own, played(np.zeros_like(cost)), 5)
    assert (one.first_day, two.first_day) == (dt.date(2024, 1, 8), dt.date(2024, 1, 15))
    assert (one.cost, one.other_cost, one.sku, one.store) == (63.0, 0.0, 0, 1)
    assert one.share == pytest.approx(56 / 63)
    assert (one.demand, one.usual, one.lost) == (56.0, 42.0, 13.0)
    assert three.cost == 14.0


@pytest.mark.parametrize(
    ("period", "count", "second"),
    [("day", 2, (2024, 1, 8)), ("week", 10, (2024, 1, 8)), ("month", 10, (2024, 2, 1))],
)
def test_weeks_and_months_of_a_file_stay_as_they_are(period, count, second):
    own = played(np.ones((10, 1, 2)), period=period)
    days = first_days(own)
    assert (len(days), days[1]) == (count, dt.date(*second))
    assert by_week(own.cost.sum(axis=(1, 2)), period).sum() == 20.0


def test_other_costs_are_sums_of_what_costs_are_made_of():
    def made_of(**parts):
        return played(
            np.zeros((365, 1, 2)), parts={n: np.array([[v, 0.0]]) for n, v in parts.items()}
        )

    replays = {
        "much": made_of(holding=60.0, stockouts=10.0, ordering=4.0),
        "little": made_of(holding=20.0, stockouts=60.0, ordering=2.0),
    }
    found = {(one.holding, one.stockouts, one.ordering): one for one in other_costs(replays)}
    assert found[1.0, 1.0, 1.0].costs == pytest.approx({"much": 74.0, "little": 82.0})
    assert found[2.0, 0.5, 1.0].costs == pytest.approx({"much": 129.0, "little": 72.0})
    assert found[1.0, 1.0, 2.0].costs == pytest.approx({"much": 78.0, "little": 84.0})
    assert (found[1.0, 2.0, 1.0].cheapest, found[2.0, 1.0, 1.0].cheapest) == ("much", "little")
    free = {"much": made_of(holding=60.0, stockouts=10.0, ordering=0.0)}
    assert {one.ordering for one in other_costs(free)} == {1.0}


DAYS = np.arange("2022-01-01", "2023-04-01", dtype="datetime64[D]")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two products in two stores; the second has a unit cost, and demand of one weekday alone."""
    home = tmp_path_factory.mktemp("business")
    week = np.array([20, 10, 15, 20, 25, 40, 10])[np.arange(DAYS.size) % 7]
    units = np.random.default_rng(0).poisson(week[:, None] * np.array([1.0, 3.0]))
    lines = ["date,store,sku,demand"]
    for k, day in enumerate(DAYS):
        lines += [f"{day},s{n},usual,{units[k, n]}" for n in range(2)]
        lines += [f"{day},s{n},weekly,{7 * (k % 7 == 2)}" for n in range(2)]
    (home / "sales.csv").write_text("\n".join(lines) + "\n")
    (home / "items.csv").write_text("sku,unit_cost,stockout_cost\nweekly,5,4\n")
    flags = {"algo": "ppo", "demand": home / "sales.csv", "split": "2022-12-01"}
    flags |= {"items": home / "items.csv"}
    return resolve(flags, assignments=("store.lead_time=2", "store.stockout_cost=4"))


@pytest.fixture(scope="module")
def rules(run):
    return rules_in_units(run.parameters)


@pytest.fixture(scope="module")
def newsvendor(run, rules):
    policy = rules["newsvendor_smoothing"].make(run.parameters, 0)
    return policy, replay(run.problem, run.parameters, policy)


def test_better_service_takes_more_stock(run, newsvendor):
    policy, own = newsvendor
    points = service_curve(run.problem, run.parameters, policy, own)
    assert len(points) == len(MULTIPLES) + 1
    assert [p.fill_rate for p in points] == sorted(p.fill_rate for p in points)
    assert points[0].fill_rate < own.fill_rate < points[-1].fill_rate
    assert points[0].on_hand < 0.7 * points[-1].on_hand
    (as_it_is,) = [p for p in points if p.name == "as recommended"]
    assert as_it_is.cost == own.cost_per_year
    lost = own.part_per_year("stockouts")
    assert as_it_is.cost_without_lost_sales == pytest.approx(own.cost_per_year - lost)
    dear, cheap = (max(p.cost for p in points), min(p.cost for p in points))
    assert as_it_is.cost < cheap + 0.1 * (dear - cheap)


def test_orders_of_a_rule_that_knows_no_costs_are_moved_in_whole_units(run):
    policy = rules_in_units(run.parameters)["tuned_base_stock"].family(run.parameters)
    policy = policy.make(cover=1.1, safety_factor=1.0)
    own = replay(run.problem, run.parameters, policy)
    points = service_curve(run.problem, run.parameters, policy, own)
    by_name = {point.name: point for point in points}
    assert by_name["1 days of demand more"].on_hand > own.mean_on_hand
    assert by_name["1 days of demand less"].fill_rate < own.fill_rate


def test_stock_is_worth_its_unit_costs_where_they_are_known(run):
    evenings = np.array([[[10.0, 20.0], [3.0, 4.0]], [[30.0, 0.0], [5.0, 6.0]]])  # SKUs by stores
    worth = stock_value(played(np.zeros((2, 2, 2)), on_hand=evenings), run.parameters)
    assert worth.value == pytest.approx(5 * (4 + 5))
    assert worth.known == pytest.approx((4 + 5) / (20 + 10 + 4 + 5))


@pytest.mark.parametrize(("unit_cost", "worth"), [(2.0, StockValue(60.0, 1.0)), (0.0, None)])
def test_stock_is_worth_the_problem_s_own_unit_cost_without_a_file_of_items(unit_cost, worth):
    lane = SimpleNamespace(store=SimpleNamespace(unit_cost=unit_cost))
    parameters = SimpleNamespace(lanes=lambda: [lane], history=SimpleNamespace(items=None))
    own = played(np.zeros((2, 1, 2)), on_hand=np.array([[[10.0, 20.0]], [[30.0, 0.0]]]))
    assert stock_value(own, parameters) == worth


def test_forecasts_are_of_the_day_on_which_the_order_arrives(run, newsvendor):
    record = forecast_record(run.parameters, newsvendor[0])
    assert (record.name, record.days_ahead) == ("smoothing", 2)
    start = int((np.datetime64("2022-12-01") - DAYS[0]).astype(int))
    assert record.demand.shape == (DAYS.size - start, 2, 2)
    # what is sold on one weekday alone is known to the unit, which one day off it would not be
    np.testing.assert_allclose(record.expected[:, 1], record.demand[:, 1], atol=0.2)
    assert record.error((0, 2))[1] < 0.03 < record.error((0, 2))[0] < 0.4
    assert abs(record.bias()) < 0.05


def test_levels_are_held_against_the_demand_that_they_are_for(run, rules, newsvendor):
    base_stock = rules["tuned_base_stock"].family(run.parameters)
    policies = {
        "newsvendor": newsvendor[0],
        "too much": base_stock.make(cover=3.0, safety_factor=3.0),
        "no level": Newsvendor(),
    }
    found = level_records(run.problem, run.parameters, policies)
    assert [*found] == ["newsvendor", "too much"]
    own, much = found.values()
    start = int((np.datetime64("2022-12-01") - DAYS[0]).astype(int))
    table = run.parameters.history.table.demand
    np.testing.assert_allclose(own.demand[0], table[start : start + 3].sum(axis=0))
    assert len(own.level) == len(own.demand) == DAYS.size - start - 2
    assert own.aim == much.aim
    assert abs(own.coverage - own.aim) < 0.1
    assert much.coverage > own.coverage
    assert 0 < own.pinball < 0.7 * much.pinball


def test_pinball_loss_by_hand():
    level, demand = np.array([[[10.0]], [[4.0]]]), np.array([[[7.0]], [[9.0]]])
    record = LevelRecord(level, demand, np.array([[0.9]]))
    assert record.pinball == pytest.approx((0.1 * 3 + 0.9 * 5) / 16)
    assert (record.coverage, record.aim) == (0.5, 0.9)


def test_what_orders_by_no_forecast_is_shown_the_agents(run):
    assert forecast_record(run.parameters, Newsvendor()).name == "smoothing"
