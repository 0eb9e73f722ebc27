"""Stores with an items file: the law of motion and rules by each item's own costs and limits."""

import datetime as dt
import re

import numpy as np
import pytest

from agents.config import resolve
from baselines.registry import rules_in_units
from baselines.solvers.chain.chain_bound import costs_left_out
from common.errors import InputError
from demand.forecasts import errors
from envs.supply_chain.observation import ITEM_ENTRIES
from evaluation.replay import replay

FIRST, DAYS = dt.date(2022, 1, 3), 200
ITEMS = (
    "store,sku,unit_cost,price,holding_cost,stockout_cost,order_cost,pack,moq,shelf_capacity\n"
    "north,bread,2,5,0.5,,,,,\n"
    "south,bread,,,0.1,9,8,6,,\n"
    "north,rolls,,,0.02,,2,,15,90\n"
)
OWN = {
    (0, 0): {"holding_cost": 0.5, "stockout_cost": 3.0},
    (0, 1): {
        **{"holding_cost": 0.1, "stockout_cost": 9.0, "fixed_cost": 8.0},
        "order_multiple": 6.0,
    },
    (1, 0): {
        **{"holding_cost": 0.02, "fixed_cost": 2.0, "minimum_order": 15.0},
        "shelf_capacity": 90.0,
    },
    (1, 1): {},
}


@pytest.fixture(scope="module")
def sales(tmp_path_factory):
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("items") / "sales.csv"
    rows = ["date,store,sku,demand"]
    for day in range(DAYS):
        date = FIRST + dt.timedelta(days=day)
        for store, base in (("north", 12), ("south", 4)):
            rows += [f"{date},{store},{sku},{rng.poisson(base)}" for sku in ("bread", "rolls")]
    path.write_text("\n".join(rows) + "\n")
    return path


def parameters(sales, items=None, *assignments):
    if items is not None:
        (sales.parent / "items.csv").write_text(items)
        assignments = (*assignments, f"demand_data.items={sales.parent / 'items.csv'}")
    return resolve({"algo": "ppo", "demand": sales}, assignments=assignments)


def played(run, name="newsvendor_smoothing"):
    rule = rules_in_units(run.parameters)[name].make(run.parameters, 0)
    return replay(run.problem, run.parameters, rule)


@pytest.mark.parametrize("name", ["newsvendor_smoothing", "reorder_point_smoothing"])
def test_every_item_is_played_as_if_it_were_alone_with_its_own_costs_and_limits(sales, name):
    usual = "store.fixed_cost=5"
    together = played(parameters(sales, ITEMS, usual), name)
    for (sku, store), own in OWN.items():
        given = (f"store.{k}={v}" for k, v in own.items())
        alone = played(parameters(sales, None, usual, *given), name)
        np.testing.assert_array_equal(together.orders[:, sku, store], alone.orders[:, sku, store])
        np.testing.assert_array_equal(together.cost[:, sku, store], alone.cost[:, sku, store])


def test_what_orders_cost_is_said_to_be_left_out_of_bounds_with_an_items_file_too(sales):
    assert not costs_left_out(parameters(sales, "sku,pack\nbread,6\n").parameters)
    assert costs_left_out(parameters(sales, "sku,order_cost\nbread,6\n").parameters)
    assert costs_left_out(parameters(sales, "sku,pack\nbread,6\n", "store.unit_cost=1").parameters)


def test_a_service_level_is_reached_in_packs_that_last_for_days(sales):
    run = parameters(sales, "sku,service_level,pack\nbread,0.9,60\nrolls,0.97,60\n")
    play = played(run, "reorder_point_smoothing")
    rates = play.sales.sum(axis=0) / play.demand.sum(axis=0)  # of days that were not looked at
    np.testing.assert_allclose(rates, [[0.9, 0.9], [0.97, 0.97]], atol=0.09)
    assert played(run).fill_rate < rates.mean() - 0.05  # which takes half a pack for none


def test_a_service_level_is_reached_on_training_days_and_its_cost_kept(sales):
    run = parameters(sales, "sku,service_level\nbread,0.9\nrolls,0.99\n")
    costs = run.parameters.item_values["stockout_cost"]
    assert (costs[1] > costs[0]).all()
    again = resolve(
        {"algo": "ppo", "demand": sales},
        assignments=(
            f"demand_data.items={sales.parent / 'items.csv'}",
            f"demand_data.service_costs={list(run.parameters.demand_data.service_costs)}",
        ),
    )
    np.testing.assert_array_equal(again.parameters.item_values["stockout_cost"], costs)
    play = played(run)
    rates = play.sales.sum(axis=0) / play.demand.sum(axis=0)  # of days that were not looked at
    assert (abs(rates[0] - 0.9) < 0.05).all()
    assert (rates[1] > 0.92).all()


def test_a_service_level_that_a_shelf_forbids_costs_no_fantastic_sum(sales, capsys):
    run = parameters(sales, "store,sku,service_level,shelf_capacity\n,,0.95,\nnorth,bread,,20\n")
    costs = run.parameters.item_values["stockout_cost"]
    assert costs[0, 0] < 50 * costs[1, 0]  # the most that is tried is 20,000 times the holding cost
    said = capsys.readouterr().err
    assert "cannot be reached on training days, so the most is aimed at: bread at north (" in said
    assert said.count("asked for)") == 1
    open_run = parameters(sales, "sku,service_level\n,0.95\n")
    np.testing.assert_array_equal(
        open_run.parameters.item_values["stockout_cost"].ravel()[1:], costs.ravel()[1:]
    )


def test_agents_see_what_their_item_costs_only_where_there_is_an_items_file(sales):
    run, plain = parameters(sales, ITEMS), parameters(sales)
    batch, other = (r.problem.make_batch(r.parameters, 2, split="evaluation") for r in (run, plain))
    batch.reset({**other_trace(plain), "sku": np.arange(2)})
    names = batch.observation_names["store"]
    assert set(names) - set(other.observation_names["store"]) == set(ITEM_ENTRIES)
    seen = batch.by_tier(batch.observation())["store"]
    fractile = seen[..., names.index("critical fractile")]
    np.testing.assert_allclose(fractile[0], [3 / 3.5, 9 / 9.1], rtol=1e-6)


def test_agents_see_how_long_a_lot_lasts_and_what_waste_costs(sales):
    items = "sku,holding_cost,stockout_cost,fixed_cost,shelf_life,unit_cost,salvage\n"
    items += "bread,0.5,3,40,4,2,1\nrolls,0.1,9,0,,,\n"
    run = parameters(sales, items)
    batch = run.problem.make_batch(run.parameters, 2, split="evaluation")
    batch.reset({**other_trace(run), "sku": np.arange(2)})
    names = batch.observation_names["store"]
    seen = batch.by_tier(batch.observation())["store"]
    level = batch.past.level
    lot = np.sqrt(2 * 40 * level[0] / 0.5)
    np.testing.assert_allclose(
        seen[0, :, names.index("economic order quantity")], lot / level[0], rtol=1e-6
    )
    assert (seen[1, :, names.index("economic order quantity")] == 0).all()
    waste = seen[..., names.index("waste cost over waste and stockout cost")]
    np.testing.assert_allclose(waste, [[1 / 4, 1 / 4], [0, 0]], rtol=1e-6)


def other_trace(run):
    return run.problem.traces(run.parameters, "evaluation", 0, 2)


def test_training_weighs_items_alike_whatever_they_cost(sales):
    dear = ITEMS.replace("north,bread,2,5,0.5", "north,bread,2000,5000,500")
    batches = []
    for items in (ITEMS, dear):
        run = parameters(sales, items, "reward.expected=false", "demand_data.augment=none")
        batch = run.problem.make_batch(run.parameters, 2, split="training")
        batch.reset(run.problem.traces(run.parameters, "training", 0, 2))
        batch.step(np.zeros((2, 4), np.int64))
        batches.append(batch)
    row = int(np.flatnonzero(batches[0].lane_of == 0)[0])
    cheap, costly = (batch.rewards[row, 0] for batch in batches)
    assert abs(costly) < 10 * max(abs(cheap), 1e-9)


@pytest.mark.parametrize(
    ("items", "assignments", "parts"),
    [
        (
            "sku,shelf_capacity\nbread,5\n",
            ("store.order_multiple=12",),
            ["items.csv row 2", "shelf_capacity = 5", "the least order, 12"],
        ),
        (
            "sku,unit_cost,price\nbread,1,2\n",
            ("store.unmet_demand=backlog",),
            ["items.csv row 2", "customers wait", "give a stockout_cost"],
        ),
        (
            "sku,service_level,holding_cost\nbread,0.9,0\n",
            (),
            ["items.csv row 2", "service_level = 0.9", "give holding_cost"],
        ),
        ("sku,lead_time\nbread,4\n", ("store.lead_time=2",), ["items.csv says 4", "leave one"]),
        (
            "sku,service_level\nbread,0.9\n",
            ("demand_data.service_costs=[1, 2, 3]",),
            ["3 numbers", "asks for 2"],
        ),
    ],
)
def test_what_does_not_go_with_the_problem_is_one_line(sales, items, assignments, parts):
    with pytest.raises(InputError) as error:
        parameters(sales, items, *assignments)
    for part in parts:
        assert part in str(error.value)


def test_the_one_lead_time_of_an_items_file_is_that_of_the_stores(sales):
    run = parameters(sales, "sku,lead_time\nbread,4\n")
    assert run.parameters.store.lead_time == 4
    assert run.parameters.warmup_days == 5


def test_products_keep_as_long_as_their_items_say(sales, monkeypatch):
    monkeypatch.setattr(errors, "OWN_SHAPE", 0.0)  # no series looks at others that keep as long
    text = "sku,unit_cost,price,salvage,shelf_life\nbread,2,5,0.5,2\nrolls,1,2,,\n"
    run = parameters(sales, text)
    assert [lane.store.shelf_life for lane in run.parameters.lanes()] == [2, None]
    for left_out in ({}, {"exclude_defaults": True}, {"exclude_unset": True}):
        told = run.parameters.model_dump(**left_out)
        assert type(run.parameters)(**told).model_dump() == run.parameters.model_dump()
    own = ("store.shelf_life=2", "store.stockout_cost=3", "store.waste_cost=1.5")
    alone, together = played(parameters(sales, None, *own)), played(run)
    np.testing.assert_array_equal(together.orders[:, 0], alone.orders[:, 0])
    np.testing.assert_array_equal(together.cost[:, 0], alone.cost[:, 0])
    kept = played(parameters(sales, None, "store.stockout_cost=1"))
    np.testing.assert_array_equal(together.cost[:, 1], kept.cost[:, 1])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("store,sku,shelf_life\nnorth,bread,2\nsouth,bread,3", "row 3: shelf_life = 3, and 2 at"),
        ("store,sku,shelf_life\nnorth,bread,2", "shelf_life = none, and 2 at another store"),
        ("sku,shelf_life\nbread,1.5", "shelf_life = '1.5': must be a whole number of periods"),
        ("sku,shelf_life\nbread,0", "shelf_life = '0': must be a whole number from 1 to 60"),
    ],
)
def test_shelf_lives_that_cannot_be_are_told_in_one_line(sales, cells, message):
    with pytest.raises(InputError, match=re.escape(message)):
        parameters(sales, cells + "\n")


def test_parameters_made_twice_are_equal_with_the_arrays_that_they_keep(sales):
    one, again = (parameters(sales, ITEMS).parameters for _ in range(2))
    assert one.item_values.keys() == again.item_values.keys() != set()  # kept from here on
    assert (again, hash(again)) == (one, hash(one))
    assert parameters(sales, ITEMS, "horizon=7").parameters != one
