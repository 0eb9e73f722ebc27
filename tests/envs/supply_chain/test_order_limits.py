"""What a real store's orders must fit: days of review, packs, a minimum, the room on the shelf."""

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InputError
from common.random_streams import random_stream
from demand.calendar import WEEKDAYS
from envs.batch import Trace
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.order_limits import inventory_position
from envs.supply_chain.trace import draw_trace
from tests.supply_chain_worlds import make, one_world, play, some_actions

limits = st.fixed_dictionaries(
    {
        "review_days": st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=7),
        "order_multiple": st.sampled_from([None, 1.0, 12.0, 2.5]),
        "minimum_order": st.sampled_from([0.0, 20.0, 31.0]),
        "shelf_capacity": st.sampled_from([60.0, 400.0, math.inf]),
        "lead_time": st.integers(0, 3),
        "unmet_demand": st.sampled_from(["lost", "backlog"]),
        "order_units": st.sampled_from([None, (0.0, 11.0, 30.0, 90.0)]),
    }
)


@given(limits=limits, full=st.booleans(), seed=st.integers(0, 2**32 - 1))
def test_orders_fit_all_limits(limits, full, seed):
    p = make(
        store=limits,
        stores=2,
        horizon=15,
        observation="full" if full else "compact",
        warehouse={"initial_on_hand": 300.0},
    )
    batch, store = SupplyChainBatch(p, 3, rng=random_stream(seed, "training")), p.store
    batch.reset()
    for day, actions in enumerate(some_actions(batch, seed, p.horizon)):
        expected = np.take_along_axis(batch.store_orders(), actions[:, :-2, None], 2)[..., 0]
        before = positions(batch)
        batch.step(actions)
        orders = batch.sites["order"]
        np.testing.assert_array_equal(orders, expected)
        some = orders[orders > 0.0]
        if WEEKDAYS[day % 7] not in store.review_days:
            assert not some.size
        if store.order_multiple:
            assert some / store.order_multiple == pytest.approx(
                np.rint(some / store.order_multiple)
            )
        assert (some >= max(store.minimum_order, 0.0)).all()
        assert (orders <= np.maximum(store.shelf_capacity - before, 0.0) + 1e-6).all()


def positions(batch: SupplyChainBatch):
    """Return every store's inventory position, shape (worlds, N)."""
    sites = batch.sites
    return np.array(
        [
            [inventory_position(sites[w, i], batch.pipelines[w, i]) for i in range(sites.shape[1])]
            for w in range(len(sites))
        ]
    )


def ordered(asked, position=0.0, **store):
    """Return what one store orders that asks for some units on a Monday."""
    batch = one_world(
        stores=[{"initial_on_hand": position}], store={"order_units": [0, asked], **store}
    )
    return batch.store_orders()[0, 0, 1]


@pytest.mark.parametrize(
    ("asked", "store", "order"),
    [
        (17.9, {"order_multiple": 12}, 12.0),
        (18.0, {"order_multiple": 12}, 24.0),  # ties to the larger
        (15.0, {"minimum_order": 30}, 30.0),
        (31.5, {"minimum_order": 30}, 31.5),
        (20.0, {"minimum_order": 30, "order_multiple": 12}, 36.0),  # the least pack of 12 over 30
        (29.0, {"shelf_capacity": 25}, 25.0),
        (29.0, {"shelf_capacity": 25, "order_multiple": 12}, 24.0),
        (29.0, {"review_days": ["tue"]}, 0.0),
        (29.0, {"review_days": [6, "mon"]}, 29.0),
    ],
)
def test_what_is_asked_for_becomes_the_nearest_that_fits(asked, store, order):
    assert ordered(asked, **store) == order


def test_no_room_for_the_least_order_is_no_order():
    store = {"shelf_capacity": 100, "order_multiple": 12, "minimum_order": 30}
    assert [ordered(50.0, held, **store) for held in (0, 64, 65, 200)] == [48, 36, 0, 0]


def test_less_than_half_of_the_least_order_is_none():
    batch = one_world(store={"order_units": [0, 14.9, 15, 40], "minimum_order": 30})
    assert batch.store_orders()[0, 0].tolist() == [0, 0, 30, 40]


def test_limits_that_never_bind_change_nothing():
    """A store that may order on every day, in packs of one, of what comes in units."""
    grid = {"order_units": [0, 20, 50, 90]}
    free, fitted = make(store=grid), make(store={**grid, "order_multiple": 1, "minimum_order": 1})
    trace = draw_trace(free, np.random.default_rng(0), 4)
    actions = some_actions(SupplyChainBatch(free, 4), 1, 30)
    for one, other in zip(
        play(SupplyChainBatch(free, 4), trace, actions),
        play(SupplyChainBatch(fitted, 4), trace, actions),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_weekdays_are_those_of_the_dates(demand_file):
    columns = {**demand_file, "column": "shop"}
    p = make(
        demand_data={"file": columns["file"], "split": columns["split"]},
        store={"review_days": ["wed"], "order_units": [0, 5]},
        horizon=14,
    )
    batch = SupplyChainBatch(p, 12, rng=random_stream(0, "training"))
    trace: Trace = draw_trace(p, random_stream(0, "training"), 12)
    batch.reset(trace)
    ordered = []
    for _ in range(14):
        batch.step(np.ones((12, 3), np.int64))
        ordered.append(batch.sites["order"][:, 0] > 0)
    for world, start in enumerate(trace["start"].tolist()):
        dates = [dt.date.fromordinal(start + day) for day in range(14)]
        assert [date.weekday() == 2 for date in dates] == [row[world] for row in ordered]
    assert len({start % 7 for start in trace["start"].tolist()}) > 2


def test_multiples_are_of_the_demand_until_the_next_review():
    batch = one_world(store={"review_days": ["mon", "thu"], "order_multiples": [0, 1, 2]})
    offered = []
    for _ in range(5):
        offered.append(batch.store_orders()[0, 0].tolist())
        batch.step(np.ones((1, 3), np.int64))
        batch.sites["forecast"] = 50.0
    assert offered == [[0, 150, 300], [0] * 3, [0] * 3, [0, 200, 400], [0] * 3]
    assert batch.sites["total_ordered"].item() == 150 + 200


def test_skus_may_have_limits_of_their_own():
    skus = [{"store": {"order_multiple": 12}}, {"store": {"review_days": ["tue"]}}]
    batch = SupplyChainBatch(make(sku=skus, store={"order_units": [0, 20]}, stores=1), 2)
    batch.reset()
    assert batch.store_orders()[:, 0].tolist() == [[0, 24], [0, 0]]
    batch.step(np.zeros((2, 3), np.int64))
    assert batch.store_orders()[:, 0].tolist() == [[0, 24], [0, 20]]


def test_stores_see_whether_they_may_order_today():
    seen = []
    batch = one_world(store={"review_days": ["mon", "thu"]}, observation="full", horizon=8)
    for _ in range(8):
        row = batch.by_tier(batch.observation())["store"][0, 0]
        names = batch.observation_names["store"]
        assert names[-2:] == ("may order today", "weeks to the next review")
        seen.append([row[-2], round(7 * float(row[-1]))])
        batch.step(np.zeros((1, 3), np.int64))
    assert seen == [[1, 3], [0, 2], [0, 1], [1, 4], [0, 3], [0, 2], [0, 1], [1, 3]]


@pytest.mark.parametrize("store", [{"order_multiple": 3.0}, {"shelf_capacity": 9.0}])
def test_other_limits_leave_the_observation_as_it_is(store):
    names = SupplyChainBatch(make(observation="full"), 1).observation_names
    assert SupplyChainBatch(make(observation="full", store=store), 1).observation_names == names


def test_the_next_stage_must_show_the_same():
    batch = SupplyChainBatch(make(store={"review_days": ["mon", "thu"]}), 1)
    batch.change_parameters(make(store={"review_days": ["tue", "fri"], "order_multiple": 6}))
    with pytest.raises(InputError, match="the longest time between reviews cannot change"):
        batch.change_parameters(make())


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ({"review_days": ["mon", "fry"]}, r"review_days = .*: weekdays are mon .*'fry'"),
        ({"review_days": [7]}, "mon to sun, or 0 .Monday. to 6; check 7"),
        ({"review_days": [True]}, "check True"),
        ({"review_days": None}, "check None"),
        ({"review_days": []}, "must name at least one weekday"),
        ({"order_multiple": 0}, "store.order_multiple = 0: .*greater than 0"),
        ({"order_multiple": -3}, "greater than 0"),
        ({"order_multiple": math.nan}, "store.order_multiple = nan"),
        ({"minimum_order": -1}, "store.minimum_order = -1: .*greater than or equal to 0"),
        ({"minimum_order": math.inf}, "store.minimum_order = inf"),
        ({"shelf_capacity": 0}, "store.shelf_capacity = 0: .*greater than 0"),
        ({"shelf_capacity": math.nan}, "store.shelf_capacity = nan"),
        ({"order_multiple": 12, "shelf_capacity": 11}, "shelf_capacity = 11: nothing can be order"),
        ({"minimum_order": 30, "shelf_capacity": 29}, "the least order .* is 30; raise it"),
        (
            {"minimum_order": 30, "order_multiple": 12, "shelf_capacity": 35},
            r"shelf_capacity = 35: .* \(minimum_order, order_multiple\) is 36",
        ),
        ({"order_units": [0, 10], "minimum_order": 21}, "less than half of the least order"),
    ],
)
def test_limits_that_cannot_be_are_one_line(store, message):
    with pytest.raises(InputError, match=message) as refused:
        make(store=store)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 250


def test_limits_of_a_sku_are_checked_with_those_of_all():
    with pytest.raises(InputError, match="nothing can be ordered"):
        make(store={"shelf_capacity": 10}, sku={"store": {"order_multiple": 12}})


def test_weekdays_are_kept_by_name_in_the_order_of_the_week():
    p = make(store={"review_days": ["Thu", 0, "mon"], "shelf_capacity": 70})
    assert p.store.review_days == ("mon", "thu")
    assert make(**p.model_dump()) == p
    assert make(store={"review_days": "sun"}).store.review_days == ("sun",)
