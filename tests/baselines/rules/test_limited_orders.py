"""Rules, bounds and optima where a store may not order what it likes when it likes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.average_cost import solved_rules
from baselines.references import find_reference
from baselines.rollout import rollout
from baselines.rules.families import seasonal_family
from baselines.rules.lead_time_demand import lead_time_demand, stock_to_build
from baselines.rules.reference import reference_team
from baselines.rules.rolling_newsvendor import RollingNewsvendor
from baselines.rules.store import ConstantOrder, Newsvendor, ReorderPoint, SeasonalBaseStock
from baselines.tuning import Search, tune
from commands import textbook
from common.errors import InputError
from demand.calendar import WEEKDAYS
from envs.problems import PROBLEMS
from envs.supply_chain.batch import SupplyChainBatch
from tests.supply_chain_worlds import make

STORES = PROBLEMS["stores"]
TWICE = {"review_days": ["mon", "thu"]}
UNLIMITED = {"initial_on_hand": np.inf}


def earned(p, store, seed=1, episodes=200):
    trace = STORES.traces(p, "evaluation", seed, episodes)
    return rollout(STORES, p, reference_team(store=store), trace)


def sure(**parameters):
    """Return a store whose demand is known: 20 units a day, from an empty shop."""
    sku = {"base_demand": 20.0, "demand_std": 0.0, "seasonality_amplitude": 0.0}
    given = {"horizon": 28, "warehouse": UNLIMITED, "stores": [{"initial_on_hand": 0.0}]}
    return make(**{"sku": sku, **given, **parameters})


def test_an_order_is_for_the_days_until_the_next_one_arrives():
    p = sure(store={**TWICE, "lead_time": 2})
    coming, _ = lead_time_demand(p)
    assert coming[0, :7, 0].tolist() == [100, 80, 60, 120, 100, 80, 60]  # Monday: 3 + 2 days
    weekly, _ = lead_time_demand(sure(store={"review_days": ["fri"], "lead_time": 0}))
    assert weekly[0, 4, 0] == 140
    assert lead_time_demand(sure(store={"lead_time": 2}))[0][0, :7, 0].tolist() == [60] * 7


@pytest.mark.parametrize("lead_time", [0, 1, 3])
@pytest.mark.parametrize("days", [["mon"], ["mon", "thu"], ["mon", "tue", "sat"], list(WEEKDAYS)])
def test_known_demand_is_met_from_the_first_arrival_on_with_nothing_over(days, lead_time):
    """Every review orders what is sold until the next order arrives, no more."""
    store = {"review_days": days, "lead_time": lead_time, "order_units": list(range(0, 400, 20))}
    p = sure(store=store)
    _, left, lost, _ = played(p, SeasonalBaseStock(0.0))
    assert lost[lead_time:].sum() == 0
    last = [day for day in range(7, 21) if WEEKDAYS[(day + 1) % 7] in days]  # before a review
    assert all(left[day + lead_time] == 0 for day in last)


def test_peaks_that_later_reviews_cannot_meet_are_built_up_before():
    """Reviews on Mondays, at most 100 units a week, where the fifth sells 115."""
    p = sure(
        horizon=35,
        scenario="spike",  # days 30, 31 and 32
        sku={"base_demand": 10.0, "demand_std": 0.0, "seasonality_amplitude": 0.0},
        store={"review_days": ["mon"], "lead_time": 0, "order_units": [0, 100]},
    )
    assert stock_to_build(p)[0, [0, 7, 14, 21], 0].tolist() == [0, 0, 0, 15]


def test_constant_orders_make_up_for_the_days_without_review():
    p = sure(store={**TWICE, "order_units": list(range(0, 600, 5))})
    batch = played(p, ConstantOrder(1.0))[0]
    assert batch.sites["total_ordered"].item() == 25 * 20  # the last review is on day 24


def played(p, rule, **options):
    """Return a batch after an episode of a rule, what was left and what was lost every day."""
    batch = SupplyChainBatch(p, 8, **options) if options else SupplyChainBatch(p, 1)
    rule.bind(batch)
    batch.reset()
    left, lost, reviews = [], [], []
    for _ in range(p.horizon):
        reviews.append(batch.may_order())
        actions = np.zeros((batch.num_worlds, p.num_stores + 2), np.int64)
        actions[:, : p.num_stores] = rule.predict(None)[0].reshape(-1, p.num_stores)
        batch.step(actions)
        left.append(batch.sites["left"][:, 0].copy())
        lost.append(batch.sites["demand"][:, 0] - batch.sites["sales"][:, 0])
    return batch, np.array(left), np.array(lost), np.array(reviews)


def test_tuning_finds_levels_for_weekly_reviews():
    """From z = 0, which is short every week, to where nearly all is sold."""
    grid = {"order_multiples": [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2]}
    p = make(stores=1, store={**grid, "review_days": ["mon"]}, warehouse=UNLIMITED, horizon=28)
    found = tune(STORES, p, seasonal_family(p), Search(episodes=60, rounds=1, work=150_000))
    totals = [earned(p, rule) for rule in (found.policy.players["store"], SeasonalBaseStock(0.0))]
    tuned, naive = (values["return"].mean() for values in totals)
    assert tuned > naive + 100
    assert totals[0]["fill_rate"].mean() > 0.985
    assert tuned > earned(p, reference_team().players["store"])["return"].mean() + 1000


limits = st.fixed_dictionaries(
    {
        "review_days": st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=4),
        "order_multiple": st.sampled_from([None, 12.0]),
        "minimum_order": st.sampled_from([0.0, 60.0]),
        "shelf_capacity": st.sampled_from([200.0, np.inf]),
        "lead_time": st.integers(0, 2),
        "order_multiples": st.just((0, 0.5, 1, 1.5, 3)),
    }
)


@settings(max_examples=5)
@given(limits, st.integers(0, 1000), st.floats(-1, 4), st.booleans())
def test_no_rule_beats_the_bound_for_all_its_freedom(store, seed, safety, cost):
    p = make(store=store, stores=1, horizon=10, objective="cost" if cost else "reconciliation")
    trace = STORES.traces(p, "evaluation", seed, 100)
    bound = find_reference("stores", p).reference(trace)
    assert bound.kind != "optimum"
    for rule in (Newsvendor(), SeasonalBaseStock(safety), ReorderPoint(8, 8).in_any_quantity()):
        returns = rollout(STORES, p, reference_team(store=rule), trace)["return"]
        assert returns.mean() - 4 * returns.std() / 10 <= bound.value + 1e-6


@pytest.mark.parametrize("store", [{"review_days": ["mon"]}, {"order_multiple": 5}])
def test_no_optimum_is_claimed_for_a_store_with_limits(store):
    run, _ = textbook.load("lost_sales_p4_L2")
    free = run.parameters
    p = make(**{**free.model_dump(), "store": {**free.store.model_dump(), **store}})
    trace = STORES.traces(p, "evaluation", 1, 2)
    limited, unlimited = find_reference("stores", p), find_reference("stores", free)
    assert (limited.reference(trace).kind, limited.policy) == ("upper_bound", None)
    assert limited.reference(trace).value >= unlimited.reference(trace).value
    assert "without limits" in limited.reference(trace).note
    with pytest.raises(InputError, match="orders without limits"):
        solved_rules(p)


@pytest.fixture
def weekly_file(tmp_path):
    """Every week the same: 20 a day, 90 on Saturdays."""
    days = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
    week = np.array([20, 20, 20, 90, 20, 20, 20])  # 1 January 2020 was a Wednesday
    rows = [f"{day},{units}" for day, units in zip(days, np.resize(week, days.size), strict=True)]
    path = tmp_path / "sales.csv"
    path.write_text("\n".join(["date,shop", *rows]))
    return {"file": path, "split": "2021-01-01"}


def test_forecasts_of_a_file_reach_to_the_next_order(weekly_file):
    """Where weeks are all the same, the newsvendor sells all and has nothing left on the eve."""
    p = make(demand_data=weekly_file, store={**TWICE, "lead_time": 1}, objective="cost", horizon=21)
    rule = RollingNewsvendor("weekday").in_any_quantity()
    _, left, lost, reviews = played(p, rule, split="evaluation")
    assert lost[6:].max() == pytest.approx(0, abs=1e-9)  # from the first arrival on
    assert reviews.any(axis=0).all()
    assert left[7:][reviews[7:]].max() == pytest.approx(0, abs=1e-9)  # arrives on the next morning
