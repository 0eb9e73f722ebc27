import numpy as np
import pytest
from pydantic import ValidationError

from common.errors import InputError
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import MAX_STORES, SupplyChainParameters
from envs.supply_chain.sites import SCENARIOS
from tests.supply_chain_worlds import make


def test_defaults():
    p = make()
    assert [(s.demand_multiplier, s.initial_on_hand) for s in p.stores] == [
        *((1.0, 500.0), (1.2, 600.0), (1.5, 750.0))
    ]
    assert p.mean_demand().tolist() == [[50.0, 60.0, 75.0]]
    assert p.store.grid == (0.0, 0.5, 1.0, 1.5)
    assert p.warehouse.order_units == (0.0, 500.0, 1000.0, 1500.0)
    assert (p.horizon, p.warmup_days, p.forecast_window) == (30, 0, 7)


@pytest.mark.parametrize("stores", [1, 6, 7])
def test_defaults_of_the_warehouse_grow_with_its_stores(stores):
    p = make(stores=stores)
    assert len(p.stores) == stores
    assert p.stores[-1] == p.stores[(stores - 1) % 3]
    scale = stores / 3
    assert p.warehouse.initial_on_hand == p.warehouse.capacity == 5000 * scale
    assert p.warehouse.reorder_point == 2000 * scale
    assert p.warehouse.order_up_to_level == 4000 * scale
    assert p.warehouse.order_units == (0, 500 * scale, 1000 * scale, 1500 * scale)
    assert p.warehouse.holding_cost == 0.05
    assert p.supplier.production_capacity == 10_000 * scale
    assert make(stores=[{}] * stores).warehouse == p.warehouse


def test_what_is_given_does_not_grow():
    given = {"initial_on_hand": 11.0, "capacity": 12.0, "order_units": (0.0, 13.0)}
    p = make(stores=9, warehouse=given, supplier={"production_capacity": 14.0})
    assert {name: getattr(p.warehouse, name) for name in given} == given
    assert p.supplier.production_capacity == 14.0
    assert p.warehouse.reorder_point == 6000.0


def test_a_sku_may_differ_in_anything():
    skus = [{}, {"store": {"lead_time": 5}, "warehouse": {"capacity": 77.0}}]
    one, two = make(stores=6, sku=skus, store={"holding_cost": 0.4}).lanes()
    assert (one.store.lead_time, two.store.lead_time) == (2, 5)
    assert one.store.holding_cost == two.store.holding_cost == 0.4
    assert (one.warehouse.capacity, two.warehouse.capacity) == (10_000, 77)
    assert two.warehouse.initial_on_hand == 10_000


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"stores": 0}, f"stores = 0: must be a number from 1 to {MAX_STORES}, or a list"),
        ({"stores": []}, r"stores = \[\]: must be a number from 1"),
        ({"stores": True}, "stores = True: must be a number from 1"),
        ({"stores": MAX_STORES + 1}, f"stores = {MAX_STORES + 1}: must be a number from 1"),
        (
            {"stores": [{}, {"demand_multiplier": -1}]},
            "stores.1.demand_multiplier = -1: input should be greater than or equal to 0$",
        ),
        ({"horizon": 0}, "horizon = 0: input should be greater than or equal to 1"),
        ({"warmup_days": 30}, "^warmup_days = 30: must be less than the horizon, 30"),
        ({"forecast_window": 0}, "forecast_window = 0: input should be greater"),
        ({"observation": "all"}, "observation = 'all': input should be 'compact' or 'full'"),
        ({"objective": "fame"}, "objective = 'fame': input should be 'reconciliation' or 'cost'"),
        ({"scenario": "spik"}, "scenario = 'spik': input should be 'normal', 'spike'"),
        ({"scenario": ["spike"]}, r"scenario = \['spike'\]: input should be"),
        ({"sku": {"base_demand": -5}}, "base_demand = -5: input should be greater"),
        ({"sku": {"demand_std": float("nan")}}, "demand_std = nan"),
        ({"sku": {"seasonality_period": 0}}, "seasonality_period = 0: input should be greater"),
        ({"sku": {"demand_model": "norml"}}, "demand_model = 'norml': input should be 'normal'"),
        ({"sku": []}, "^sku must name at least one product"),
        ({"sku": [{}, {"store": {"lead_time": -1}}]}, "^sku.1.store.lead_time = -1: input should"),
        ({"sku": {"store": {"lead_tim": 1}}}, "'sku.0.store.lead_tim'; did you mean 'lead_time'"),
        ({"sku": [{}, {"store": {"order_units": [1]}}]}, "^all SKUs need order grids of the same"),
        (
            {"sku": [{}, {"store": {"action": "offset", "offsets": [-1, 0, 0.5, 1]}}]},
            "^all SKUs need the same action and offsets",
        ),
        ({"store": {"lead_time": -1}}, "store.lead_time = -1: input should be greater"),
        ({"store": {"lead_time": 1.5}}, "store.lead_time = 1.5: input should be a valid integer"),
        ({"store": {"holding_cost": -1}}, "store.holding_cost = -1: input should be greater"),
        ({"store": {"stockout_cost": "dear"}}, "store.stockout_cost = 'dear': input should be"),
        ({"store": {"order_units": []}}, r"store.order_units = \[\]: must have at least 1"),
        (
            {"store": {"order_units": [0], "order_multiples": [0]}},
            "give order_multiples or order_units, not both",
        ),
        ({"warehouse": {"initial_on_hand": -1}}, "warehouse.initial_on_hand = -1: input should"),
        ({"warehouse": {"initial_on_hand": float("nan")}}, "warehouse.initial_on_hand = nan"),
        ({"warehouse": {"capacity": 0}}, "warehouse.capacity = 0: input should be greater than 0"),
        ({"warehouse": 5}, "warehouse = 5: must be a mapping"),
        ({"supplier": {"lead_time": 1}}, "supplier.lead_time = 1: input should be greater .* 2"),
        ({"supplier": {"reliability": 1.2}}, "reliability = 1.2: input should be less .* 1"),
        ({"supplier": {"reliabilty": 1}}, "'supplier.reliabilty'; did you mean 'reliability'"),
        ({"weights": {"store": {"service_level": -1}}}, "weights.store.service_level = -1"),
        ({"stors": 4}, "unknown key 'stors'; did you mean 'stores'"),
    ],
)
def test_a_bad_value_is_named_in_one_line(parameters, message):
    with pytest.raises(InputError, match=message) as refused:
        make(**parameters)
    assert "\n" not in str(refused.value)


def test_a_negative_binomial_law_needs_a_variance_above_its_mean():
    sku = {"demand_model": "negative_binomial", "demand_std": 9.0}
    with pytest.raises(InputError, match=r"^demand_std = 9: .* a demand_std above 9\.483"):
        make(sku=sku)  # the largest store expects 90 units at the height of the season
    assert make(sku={**sku, "demand_std": 9.5}).sku[0].demand_std == 9.5
    assert make(sku=sku, stores=1).sku[0].demand_std == 9.0


def test_without_a_scenario_mean_demand_is_the_season():
    means, stds = make(stores=1, horizon=60).demand_moments()
    days = np.arange(60)
    expected = 50 * (1 + 0.2 * np.sin(2 * np.pi * days / 30))
    np.testing.assert_allclose(means[0, :, 0], expected)
    assert (stds == 10).all()


def test_a_spike_is_on_three_days_and_needs_ninety():
    normal, spike = make(horizon=90), make(scenario="spike")
    assert spike.horizon == 90
    assert make(scenario="spike", horizon=40).horizon == 40
    ratio = spike.demand_moments()[0] / normal.demand_moments()[0]
    assert (ratio[:, 30:33] == 2.5).all()
    assert np.delete(ratio, [30, 31, 32], axis=1) == pytest.approx(1.0)


def test_strong_seasonality():
    means, _ = make(scenario="strong_seasonality").demand_moments()
    same, _ = make(sku={"seasonality_amplitude": 0.5}).demand_moments()
    np.testing.assert_array_equal(means, same)


def test_supplier_delay_is_seen_and_felt():
    p = make(scenario="supplier_delay", warehouse={"initial_on_hand": 0.0}, horizon=40)
    batch = SupplyChainBatch(p, 1)
    demand, works = np.zeros((40, 3)), np.ones(40, bool)
    batch.reset({"demand": demand, "supplier_ok": works})
    batch.step(np.array([[0, 0, 0, 1, 0]]))
    assert batch.by_tier(batch.observation())["supplier"][0, 2] == pytest.approx(1.4)
    for morning in range(2, 16):
        batch.step(np.zeros((1, 5), np.int64))
        assert batch.hubs["on_hand"][0] == (500 if morning >= 14 else 0)


def test_high_variability_doubles_the_deviation():
    p = make(scenario="high_variability")
    assert (p.demand_moments()[1] == 20).all()
    assert SupplyChainBatch(p, 1).sites["forecast_std"].tolist() == [[20, 20, 20]]


def test_a_scarce_chain_begins_with_a_fifth_of_its_stock():
    p = make(scenario="scarce")
    batch = SupplyChainBatch(p, 1)
    batch.reset()
    assert p.horizon == 90
    np.testing.assert_allclose(batch.sites["on_hand"], [[100, 120, 150]])
    assert batch.hubs["on_hand"].tolist() == [1000]


def test_a_scenario_that_would_change_nothing_is_refused():
    with pytest.raises(InputError, match=r"on day 31, after the horizon of 30 .* horizon=90"):
        make(scenario="spike", horizon=30)
    assert make(scenario="spike", horizon=31).horizon == 31
    with pytest.raises(InputError, match="high_variability: widens demand_std, and poisson demand"):
        make(scenario="high_variability", sku=[{"demand_model": "poisson"}])
    make(scenario="high_variability", sku=[{"demand_model": "poisson"}, {}])


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_plays(name):
    batch = SupplyChainBatch(make(scenario=name), 2)
    batch.reset()
    for _ in range(batch.parameters.horizon):
        over = batch.step(np.ones((2, 5), np.int64)).truncated
    assert over.all()


def test_parameters_are_taken_as_they_are_and_what_is_no_mapping_is_refused():
    p = make(stores=2)
    assert SupplyChainParameters.model_validate(p) is p
    with pytest.raises(ValidationError, match="valid dictionary or instance"):
        SupplyChainParameters.model_validate("stores")


def test_days_are_played_of_a_file_alone():
    with pytest.raises(InputError, match="played_days: demand comes from no file; set demand_data"):
        make().played_days("evaluation")


@pytest.mark.parametrize(("given", "deviation"), [({}, 3.0), ({"demand_std": 2.5}, 2.5)])
def test_poisson_demand_has_the_deviation_of_its_law_unless_one_is_said(given, deviation):
    p = make(sku=[{"demand_model": "poisson", "base_demand": 9.0, **given}, {"base_demand": 9.0}])
    assert [sku.demand_std for sku in p.sku] == [deviation, 10.0]
    assert SupplyChainBatch(p, 1).sites["forecast_std"].tolist() == [[deviation] * 3]
    with pytest.raises(InputError, match="base_demand = 'nine'"):
        make(sku=[{"demand_model": "poisson", "base_demand": "nine"}])
