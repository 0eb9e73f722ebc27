import numpy as np
import pytest

from tests.supply_chain_worlds import one_world


@pytest.mark.parametrize("lead_time", [0, 1, 2, 5])
def test_an_order_of_a_store_arrives_after_its_lead_time(lead_time):
    batch = one_world(store={"lead_time": lead_time, "order_units": [0, 10]})
    batch.step(np.array([[1, 0, 0]]))
    for morning in range(1, 8):
        arrived = 10.0 if morning >= lead_time else 0.0
        assert batch.sites["on_hand"][0, 0] == arrived
        assert batch.pipelines.sum() == 10.0 - arrived
        batch.step(np.array([[0, 0, 0]]))


@pytest.mark.parametrize(
    ("decision", "works", "shipped", "late"),
    [(0, True, 100, 0), (1, True, 80, 0), (2, True, 100, 1), (0, False, 0, 0), (2, False, 0, 1)],
)
@pytest.mark.parametrize("lead_time", [2, 4, 7])
def test_an_order_of_the_warehouse(lead_time, decision, works, shipped, late):
    """Placed on day 0, decided on day 1 by the supplier's luck of day 0."""
    luck = np.ones(20, bool)
    luck[0] = works
    batch = one_world(
        works=luck,
        supplier={"lead_time": lead_time},
        warehouse={"initial_on_hand": 0, "order_units": [0, 100]},
    )
    batch.step(np.array([[0, 1, 1 - works]]))  # nothing is on the desk to decide about
    assert batch.reports()["supplier"]["fulfillment_rate"].item() == 1.0
    batch.step(np.array([[0, 0, decision]]))
    report = batch.reports()["supplier"]
    assert report["fulfillment_rate"].item() == shipped / 100
    assert report["delay_penalty"].item() == late
    assert batch.rewards[0, -1] == 2 * shipped / 100 - late
    for morning in range(2, 12):
        arrived = shipped if morning >= lead_time + late else 0.0
        assert batch.hubs["on_hand"][0] == arrived
        batch.step(np.array([[0, 0, 0]]))


def test_a_supplier_ships_no_more_than_its_capacity():
    batch = one_world(
        supplier={"lead_time": 2, "production_capacity": 85.0},
        warehouse={"initial_on_hand": 0, "order_units": [0, 100]},
    )
    for decision in (0, 0, 1):
        batch.step(np.array([[0, 1, decision]]))
    assert batch.hubs["on_hand"][0] + batch.inbound.sum() == 85.0 + 80.0


def test_a_short_warehouse_cuts_all_claims_by_the_same_fraction():
    batch = one_world(
        stores=2,
        store={"lead_time": 1, "order_units": [0, 40, 80]},
        warehouse={"initial_on_hand": 60, "order_units": [0, 30]},
        supplier={"lead_time": 2},
    )
    start = batch.sites["on_hand"][0].copy()
    batch.step(np.array([[1, 2, 1, 0]]))
    assert (batch.sites["on_hand"][0] - start).tolist() == [20, 40]
    assert batch.sites["backorders"][0].tolist() == [20, 40]
    batch.step(np.array([[0, 0, 0, 0]]))
    assert batch.hubs["on_hand"][0] == 30
    batch.step(np.array([[2, 0, 0, 0]]))  # claims are now 20 + 80 and 40
    assert batch.sites["backorders"][0] == pytest.approx(
        [100 * (1 - 30 / 140), 40 * (1 - 30 / 140)]
    )
    assert batch.hubs["on_hand"][0] == 0
