"""The newsvendor of goods that keep some days: chances to be of use, held and wasted, balanced."""

import numpy as np
import pytest
from scipy import stats

from baselines.average_perishable import perishable_store, policy_orders
from baselines.registry import make_baselines
from baselines.rollout import rollout
from baselines.rules.lead_time_demand import demand_share, perishable_levels
from baselines.rules.newsvendor_costs import SHARES, balanced_levels, newsvendor_costs
from baselines.rules.store import Newsvendor
from baselines.solvers.perishable.value_iteration import orders_cost, solve_perishable
from commands import textbook
from common.errors import validated
from envs.problems import PROBLEMS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

STORE = {"lead_time": 1, "holding_cost": 1, "stockout_cost": 5, "unit_cost": 3, "waste_cost": 7}


def law(model, shelf_life, **store):
    return validated(
        SupplyChainParameters,
        {
            "stores": [{"initial_on_hand": 0}],
            "horizon": 40,
            "objective": "cost",
            "sku": {
                "demand_model": model,
                "base_demand": 4,
                "demand_std": 2,
                "seasonality_amplitude": 0,
            },
            "store": {**STORE, "shelf_life": shelf_life, **store},
        },
    )


def test_costs_of_a_unit_are_those_of_its_life():
    def costs(gap=1, **changes):
        parameters = law("poisson", **{"shelf_life": 2, **changes})
        found = newsvendor_costs(parameters, parameters.lanes()[0].store, gap)
        return found.underage, found.holding, found.outdating

    assert costs() == (2.0, 1.0, 10.0)
    assert costs(unmet_demand="backlog") == (5.0, 1.0, 10.0)  # what waits is bought in the end
    assert costs(gap=3) == (2.0, 1.0, 10.0)  # on the second evening it is no longer there
    assert costs(gap=3, shelf_life=None) == (2.0, 3.0, 10.0)


def test_a_unit_is_added_while_it_gains_more_than_it_costs():
    level = perishable_levels(law("poisson", 2), 0)[5, 0]
    used, wasted = stats.poisson(8), stats.poisson(12)  # demand of L + 1 and of L + m days

    def gain(units):  # of one unit more than so many
        return 2 * used.sf(units) - used.cdf(units) - 10 * wasted.cdf(units)

    assert gain(level - 1) > 0 >= gain(level)


@pytest.mark.parametrize(
    ("model", "drawn"),
    [
        ("normal", stats.norm(8.5, 6.5)),
        ("poisson", stats.poisson(8.5)),
        ("gamma", stats.gamma(8.5**2 / 6.5**2, scale=6.5**2 / 8.5)),
        ("negative_binomial", stats.nbinom(8.5**2 / (6.5**2 - 8.5), 8.5 / 6.5**2)),
    ],
)
def test_the_share_of_a_level_is_that_of_its_law(model, drawn):
    levels = np.arange(30.0)
    std = np.sqrt(drawn.var())
    shares = demand_share(model, levels, np.full(30, 8.5), np.full(30, std))
    np.testing.assert_allclose(shares, drawn.cdf(levels), atol=1e-9)


@pytest.mark.parametrize("model", ["normal", "poisson", "gamma", "rounded_gamma"])
def test_goods_that_keep_for_weeks_are_ordered_as_goods_that_never_perish(model):
    wanted = []
    for life in (28, None):
        batch = SupplyChainBatch(law(model, life, stockout_cost=8), 1)
        rule = Newsvendor()
        rule.bind(batch)
        wanted.append(rule.wanted(batch))
    np.testing.assert_allclose(*wanted, atol=1e-4)


def test_quantiles_of_errors_give_the_level_that_a_law_gives():
    used, wasted = stats.norm(8, 2), stats.norm(12, 3)
    inside = np.clip(SHARES, 1e-4, 1 - 1e-4)
    tables = [(one.ppf(inside) - one.mean())[None, None] for one in (used, wasted)]
    expected = np.array([[[8.0]], [[12.0]]])
    costs, lane = np.array([[[2.0, 1.0, 10.0]]]), np.zeros(1, np.int64)
    level = balanced_levels(expected, np.ones((2, 1, 1)), *tables, costs, lane)[0, 0]
    over = used.cdf(level) + 10 * wasted.cdf(level)
    assert 2 * used.sf(level) == pytest.approx(over, abs=0.01)


@pytest.mark.parametrize(("name", "most"), [("m2_exp2", 0.02), ("m2_exp6", 0.05)])
def test_the_newsvendor_of_published_instances_is_near_their_optimum(name, most):
    """Without waste in its level it was 9 and 14 % dearer than the optimum."""
    parameters = textbook.load(f"perishable_{name}")[0].parameters
    store = perishable_store(parameters)
    policy = make_baselines("stores", parameters, ["newsvendor"])["newsvendor"]
    cost = orders_cost(store, policy_orders(parameters, policy)).cost.value
    assert cost < (1 + most) * solve_perishable(store).cost.value


def test_bread_of_two_days_costs_a_newsvendor_of_a_file_less_than_of_one(tmp_path):
    rng, days = np.random.default_rng(0), np.arange("2020-01-01", "2021-04-01", dtype="M8[D]")
    path = tmp_path / "sales.csv"
    demand = rng.poisson(10 + 10 * (np.arange(days.size) % 7 > 4))
    rows = [f"{day},{x}" for day, x in zip(days, demand, strict=True)]
    path.write_text("\n".join(["date,shop", *rows]))
    costs = []
    for life in (1, 2, 4):
        store = {"lead_time": 1, "shelf_life": life, "unit_cost": 1, "stockout_cost": 3}
        given = {
            "demand_data": {"file": path, "split": "2021-01-01"},
            "objective": "cost",
            "horizon": 28,
            "store": {**store, "holding_cost": 0, "order_units": list(range(60))},
        }
        parameters = validated(SupplyChainParameters, given)
        policy = make_baselines("stores", parameters, ["newsvendor_weekday"])["newsvendor_weekday"]
        trace = PROBLEMS["stores"].traces(parameters, "evaluation", 0, 40)
        totals = rollout(PROBLEMS["stores"], parameters, policy, trace)
        costs.append(-totals["return"].mean())
    assert costs[0] > costs[1] > costs[2]
