"""Rules on the inventory position: what they order, and what they earn when they are tuned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.average_cost import lost_sales_store
from baselines.multi_agent import TeamPolicy
from baselines.references import find_reference
from baselines.registry import make_baselines, make_random
from baselines.rollout import rollout
from baselines.rules import families
from baselines.rules.lead_time_demand import lead_time_demand, stock_to_build
from baselines.rules.reference import reference_team
from baselines.rules.stock_rule import nearest_action
from baselines.rules.store import (
    CappedBaseStock,
    ConstantOrder,
    ForecastBaseStock,
    Newsvendor,
    PeriodicReview,
    ReorderPoint,
    ReorderQuantity,
    SeasonalBaseStock,
)
from baselines.rules.warehouse import EchelonBaseStock, WarehouseBaseStock
from baselines.solvers.store.lost_sales import best_reorder_point
from baselines.tuning import Family, Search, Tuned, tune
from common.errors import InputError
from envs.cash.batch import CashBatch
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

STORES = PROBLEMS["stores"]
NO_DEMAND = {"base_demand": 0, "demand_std": 0}
WORLDS = {
    "default": {},
    "no lead time": {"store": {"lead_time": 0}},
    "long lead time": {"store": {"lead_time": 12}, "horizon": 8},
    "no demand": {"sku": NO_DEMAND},
    "fifty stores": {"stores": 50, "horizon": 5},
    "two products": {
        "sku": [{"base_demand": 80}, {**NO_DEMAND, "demand_model": "gamma"}],
        "horizon": 9,
    },
    "never short": {"warehouse": {"initial_on_hand": float("inf")}},
    "units": {"store": {"order_units": [30, 0, 200, 75]}},
    "one action": {"store": {"order_multiples": [1]}, "warehouse": {"order_units": [500]}},
    "Poisson": {"sku": {"demand_model": "poisson"}},
    "negative binomial": {"sku": {"demand_model": "negative_binomial"}},
    "gamma by cost": {"sku": {"demand_model": "gamma"}, "objective": "cost"},
    "spike": {"scenario": "spike"},
    "free stock": {"store": {"holding_cost": 0}},
}


def teams() -> dict[str, TeamPolicy]:
    stores = [
        ReorderPoint(4.0, 5.0),
        ReorderQuantity(4.0, 0.7),
        PeriodicReview(2, 6.0),
        ConstantOrder(0.9),
        ForecastBaseStock(3.0, 4.0),
        SeasonalBaseStock(3.5),
        CappedBaseStock(3.5, cap_days=1.2),
        CappedBaseStock(3.5, cap_days=np.inf),
        Newsvendor(),
    ]
    players = [{"store": rule} for rule in stores]
    players += [{"store": rule.in_any_quantity()} for rule in stores]
    players += [{"warehouse": WarehouseBaseStock(15.0)}, {"warehouse": EchelonBaseStock(18.0)}]
    return {repr(next(iter(p.values()))): reference_team(**p) for p in players}


def chain(worlds=4, **parameters) -> SupplyChainBatch:
    batch = SupplyChainBatch(SupplyChainParameters(**parameters), worlds)
    batch.reset()
    return batch


def act(team: TeamPolicy, batch: SupplyChainBatch) -> np.ndarray:
    return team.predict(batch.observation())[0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("world", WORLDS)
def test_every_rule_plays_every_world(world):
    parameters = SupplyChainParameters.model_validate(WORLDS[world])
    batch = SupplyChainBatch(parameters, 6)
    for name, team in teams().items():
        batch.reset()
        team.bind(batch)
        for _ in range(parameters.horizon):
            actions = act(team, batch)
            assert actions.shape == (6, parameters.num_stores + 2)
            batch.step(actions)  # refuses what is not on the grid
        totals = batch.episode_totals()
        assert all(np.isfinite(values).all() for values in totals.values()), name


# ---- what is ordered ----


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=6),
    st.one_of(st.floats(-50, 200), st.just(-np.inf)),
)
def test_the_nearest_order_is_taken(orders, wanted):
    (chosen,) = nearest_action(np.array([[orders]]), np.array([[wanted]]))[0]
    distance = np.abs(np.array(orders) - max(wanted, 0.0))
    assert distance[chosen] == distance.min()
    assert orders[chosen] == max(
        o for o, d in zip(orders, distance, strict=True) if d == distance.min()
    )


def test_rules_look_at_the_whole_inventory_position():
    batch = chain(worlds=1, stores=1, store={"order_units": list(range(256))})
    batch.sites["on_hand"], batch.sites["backorders"] = 10.0, 20.0
    batch.pipelines[:] = [[[30.0, 40.0]]]  # an inventory position of 100, at a mean demand of 50
    for rule, order in [
        (ReorderPoint(3.0, 5.0), 150),
        (ReorderPoint(2.0, 5.0), 0),
        (ReorderPoint(9.0, 5.0), 150),  # s is at most S
        (ReorderQuantity(2.0, 0.9), 45),
        (ReorderQuantity(3.0, 0.9), 90),  # two batches to pass it
        (ReorderQuantity(1.9, 0.9), 0),
        (PeriodicReview(7, 5.0), 150),
        (ConstantOrder(1.5), 75),
        (ForecastBaseStock(4.0, 0.0), 100),
        (ForecastBaseStock(4.0, 2.0), round(100 + 2 * 3**0.5 * 10)),
        (SeasonalBaseStock(0.0, 1.0), round(50 * (4 + 0.2 * np.sin([0.2094, 0.4189]).sum())) - 100),
        (CappedBaseStock(0.0, 1.0, cap_days=0.5), 25),
    ]:
        team = reference_team(store=rule)
        team.bind(batch)
        assert act(team, batch)[0, 0] == order, rule
    batch.day = 3
    team = reference_team(store=PeriodicReview(7, 5.0))
    team.bind(batch)
    assert act(team, batch)[0, 0] == 0


def test_the_warehouse_looks_at_its_installation_or_at_its_echelon():
    units = list(range(0, 5100, 20))
    batch = chain(worlds=1, stores=1, sku={"base_demand": 100}, warehouse={"order_units": units})
    batch.hubs["on_hand"], batch.hubs["on_desk"] = 100.0, 50.0
    batch.inbound[0, :2] = 25.0
    batch.sites["backorders"], batch.sites["on_hand"] = 60.0, 500.0
    batch.pipelines[0, 0, 0] = 40.0
    for rule, order in [(WarehouseBaseStock(10.0), 860), (EchelonBaseStock(10.0), 260)]:
        team = reference_team(warehouse=rule)
        team.bind(batch)
        assert units[act(team, batch)[0, 1]] == order


def test_a_constant_order_is_constant_on_average():
    batch = chain(worlds=3, sku={"demand_std": 0, "seasonality_amplitude": 0})
    team = reference_team(store=ConstantOrder(0.7))
    for _ in range(2):  # what is owed is forgotten with a new episode
        batch.reset()
        run_episodes_on(batch, team)
        ordered = batch.sites["total_ordered"] / 30
        np.testing.assert_allclose(ordered, [[35, 42, 52.5]] * 3, rtol=0.02)


def run_episodes_on(batch: SupplyChainBatch, team: TeamPolicy) -> None:
    team.bind(batch)
    for _ in range(batch.parameters.horizon):
        batch.step(act(team, batch))


def test_coming_demand_is_that_of_the_days_that_an_order_is_for():
    p = SupplyChainParameters(horizon=6, stores=1, sku={"seasonality_period": 6})
    means, stds = p.demand_moments()
    coming, spread = lead_time_demand(p)
    for day in range(6):
        assert coming[0, day, 0] == pytest.approx(means[0, day : day + 3, 0].sum())
        assert spread[0, day, 0] ** 2 == pytest.approx((stds[0, day : day + 3, 0] ** 2).sum())
    p = SupplyChainParameters(sku={"demand_model": "poisson"}, store={"lead_time": 0})
    coming, spread = lead_time_demand(p)
    np.testing.assert_allclose(spread**2, coming)


def test_stock_is_built_for_a_peak_that_later_orders_cannot_meet():
    assert not stock_to_build(SupplyChainParameters(horizon=90)).any()
    p = SupplyChainParameters(scenario="spike", stores=1, sku={"seasonality_amplitude": 0})
    built = stock_to_build(p)[0, :, 0]
    # demand of 125 on days 30 to 32 and orders of 75 (forecast 50) that arrive 2 days later
    assert built[27] == pytest.approx(50 + 50 + 50)
    assert built[26] == pytest.approx(125)
    assert built[21] == 0 == built[32]
    # by brute force: the most that is missing over the days to come
    means = np.append(p.demand_moments()[0][0, :, 0], np.zeros(3))
    most = 1.5 * np.array([means[max(0, t - 7) : t].mean() if t else 50.0 for t in range(90)])
    for t in range(80):
        missing = [means[t + 3 : t + 3 + a].sum() - most[t + 1 : t + 1 + a].sum() for a in range(9)]
        assert built[t] == pytest.approx(max(missing))


def test_a_newsvendor_without_holding_cost_does_not_order_for_ever():
    batch = chain(store={"holding_cost": 0, "order_units": [0, 1000, 1e6]})
    team = reference_team(store=Newsvendor())
    team.bind(batch)
    assert act(team, batch)[:, :3].max() <= 1


def test_bad_parameters_and_other_problems_are_refused():
    with pytest.raises(InputError, match="cap_days"):
        CappedBaseStock(1.0, cap_days=-1)
    with pytest.raises(InputError, match="safety_factor"):
        SeasonalBaseStock(np.nan)
    with pytest.raises(InputError, match="quantity_days"):
        ReorderQuantity(1.0, 0.0)
    with pytest.raises(InputError, match="review_period = 0"):
        PeriodicReview(0, 5.0)
    with pytest.raises(InputError, match=r"not \(4,\)"):
        reference_team(store=SeasonalBaseStock(np.zeros(3))).bind(chain())
    with pytest.raises(TypeError, match="CashBatch"):
        Newsvendor().bind(CashBatch(CashParameters(), 2))


def test_one_value_per_world_equals_one_batch_per_value():
    p = SupplyChainParameters()
    trace = STORES.traces(p, "tuning", 0, 4)
    factors = np.array([0.0, 2.0, 4.0, 6.0])
    together = rollout(STORES, p, reference_team(store=SeasonalBaseStock(factors)), trace)
    for i, factor in enumerate(factors):
        alone = rollout(STORES, p, reference_team(store=SeasonalBaseStock(factor)), trace)
        assert alone["return"][i] == together["return"][i]


# ---- what is earned ----


def tuned_family(p: SupplyChainParameters, family: Family, measure: str = "return") -> Tuned:
    return tune(STORES, p, family, families.search_of(p), measure=measure)


@pytest.mark.parametrize(
    ("family", "goal"),
    [
        (families.reorder_point_family, 237.1),
        (families.base_stock_family, 244.0),
        (families.seasonal_family, 252.9),
        (families.capped_family, 252.6),
        (families.reorder_quantity_family, 244.2),
    ],
)
def test_tuned_rules_are_no_straw_men(family, goal):
    p = SupplyChainParameters()
    tuned = tuned_family(p, family(p))
    trace = STORES.traces(p, "evaluation", 1, 10_000)
    assert rollout(STORES, p, tuned.policy, trace)["return"].mean() > goal - 0.5


def poisson_store(horizon, warmup, **store):
    """Return a store that is asked for 5 a day, loses sales and is supplied without fail."""
    return SupplyChainParameters(
        stores=[{"initial_on_hand": 20}],
        horizon=horizon,
        warmup_days=warmup,
        objective="cost",
        sku={"base_demand": 5, "demand_model": "poisson", "seasonality_amplitude": 0},
        store={"holding_cost": 1, **store},
        warehouse={"initial_on_hand": float("inf")},
    )


@pytest.mark.parametrize(
    "family",
    [families.reorder_point_family, families.reorder_quantity_family]
    + [families.periodic_family, families.reorder_level_family],
)
def test_where_orders_cost_much_lots_are_searched_that_are_as_large(family):
    store = {"lead_time": 1, "stockout_cost": 19, "fixed_cost": 400}
    p = poisson_store(200, 50, **store, order_units=list(range(121)))
    tuned = tune(STORES, p, family(p), Search(episodes=20, rounds=2, work=300_000))
    _, _, best = best_reorder_point(lost_sales_store(p))  # of all (s, S)
    assert -tuned.score / 150 < 1.07 * best.value


def test_a_capped_base_stock_beats_the_base_stock_where_sales_are_lost(monkeypatch):
    monkeypatch.setattr(families, "WORK", 300_000)
    p = poisson_store(220, 20, lead_time=4, stockout_cost=4, order_units=list(range(21)))
    seasonal, capped = (
        tuned_family(p, family(p)).score / 200
        for family in (families.seasonal_family, families.capped_family)
    )
    assert seasonal == pytest.approx(-5.20, abs=0.05)
    assert capped == pytest.approx(-4.80, abs=0.05)


def test_the_warehouse_is_tuned_for_its_own_return():
    p = SupplyChainParameters()
    tuned = tuned_family(
        p, families.warehouse_family(p, EchelonBaseStock), measure="warehouse_return"
    )
    rules = rollout(STORES, p, reference_team(), STORES.traces(p, "tuning", 0, 500))
    assert tuned.score > rules["warehouse_return"].mean() + 5


def test_tuning_keeps_several_products_apart():
    p = SupplyChainParameters(sku=[{"base_demand": 20}, {"base_demand": 90}], horizon=6)

    def make(safety_factor):
        return reference_team(store=SeasonalBaseStock(safety_factor))

    tuned = tune(STORES, p, Family(make, {"safety_factor": (0.0, 3.0)}), Search(episodes=7))
    trace = STORES.traces(p, "tuning", 0, 7)
    scores = [rollout(STORES, p, make(z), trace)["return"].mean() for z in (0.0, 3.0)]
    assert tuned.score == pytest.approx(max(scores))


# ---- by name ----


@pytest.fixture
def untuned():
    """Tune nothing, and note what was to be tuned."""
    names = []

    def note(problem, parameters, name, rule):
        names.append(name)
        return Tuned(reference_team(), {}, 0.0, 0.0, 1, 1, 1)

    note.names = names
    return note


def test_baselines_of_the_stores_by_name(untuned):
    p = SupplyChainParameters(horizon=3)
    usual = ["random", "reference_rules", "newsvendor", "tuned_reorder_point", "tuned_seasonal"]
    usual += ["store_programme"]
    assert list(make_baselines("stores", p, ["default"], tuner=untuned)) == usual
    later = SupplyChainParameters(horizon=5, store={"lead_time": 3})
    assert list(make_baselines("stores", later, ["default"], tuner=untuned)) == usual[:-1]
    system = make_baselines("stores", p, ["default"], measure="system_return", tuner=untuned)
    assert list(system) == ["random", "reference_rules", "tuned_system", "tuned_system_echelon"]
    with pytest.raises(InputError, match="unknown measure"):
        make_baselines("stores", p, ["all"], measure="retrn")


def test_groups_of_the_stores(untuned):
    def names(group, **parameters):
        untuned.names.clear()
        made = make_baselines("stores", SupplyChainParameters(**parameters), [group], tuner=untuned)
        assert untuned.names == [name for name in made if name.startswith("tuned_")]
        return set(made)

    assert {"tuned_seasonal", "tuned_r_q"} <= names("tuned")
    assert {"tuned_seasonal_free", "newsvendor_free"} <= names("free")
    assert not names("free") & (names("tuned") | names("default"))
    assert names("free") | names("tuned") | names("default") == names("all")
    assert "tuned_capped_level" not in names("all")
    assert "tuned_capped_level" in names("tuned", store={"order_units": [0, 1, 2]})


@pytest.mark.parametrize(("measure", "column"), [("warehouse_return", 3), ("supplier_return", 4)])
def test_random_play_is_that_of_the_tier_that_counts(measure, column):
    batch = chain(worlds=50)
    rules, random = reference_team(), make_random("stores", 0, measure)
    rules.bind(batch)
    random.bind(batch)
    differs = (act(rules, batch) != act(random, batch)).any(axis=0)
    assert differs.tolist() == [k == column for k in range(5)]


def test_no_tuned_rule_passes_the_upper_bound():
    p = SupplyChainParameters(horizon=10)
    measure = find_reference("stores", p)
    assert measure.reference is not None
    trace = STORES.traces(p, "evaluation", 1, 2000)
    policy = tuned_family(p, families.seasonal_family(p)).policy
    bound = measure.reference(trace).value
    assert bound - 3 < rollout(STORES, p, policy, trace)["return"].mean() < bound
