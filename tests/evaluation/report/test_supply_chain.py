"""What a report shows where the warehouse learned."""

from types import SimpleNamespace

import numpy as np
import pytest

from baselines.rules.reference import reference_team
from envs.problems import PROBLEMS
from envs.supply_chain.parameters import SupplyChainParameters
from evaluation.comparison import compare
from evaluation.report.views import view_of

STORES = PROBLEMS["stores"]


@pytest.fixture(scope="module")
def contents():
    p = SupplyChainParameters(stores=2, horizon=16, warehouse={"initial_on_hand": 300})
    view, policies = view_of(STORES), {"reference_rules": reference_team()}
    recorders = {"reference_rules": view.recorder(), "random": view.recorder()}
    comparison = compare(
        *(STORES, p, policies, None),
        **{"episodes": 20, "seed": 1, "measure": "warehouse_return", "observers": recorders},
    )
    records = {name: one.record() for name, one in recorders.items()}
    return SimpleNamespace(
        **{"agent": "reference_rules", "rival": None, "episode": 3},
        **{"problem": STORES, "parameters": p, "view": view, "policies": policies},
        **{"comparison": comparison, "records": records, "observe_step": False},
    )


def test_where_the_warehouse_learned_the_map_is_of_its_orders(contents):
    found = contents.view.action_map(contents, "reference_rules")
    assert (found.x_label, found.y_label) == ("warehouse: on hand [units]", "on order [units]")
    assert found.labels[0] == "order 0"
    orders = np.array(
        [float(label.removeprefix("order ").replace(",", "")) for label in found.labels]
    )
    chosen = orders[found.chosen]
    assert chosen.shape == (found.y.size, found.x.size)
    assert chosen[0, 0] > 0  # an empty warehouse orders, and the less the more it has or awaits
    assert (np.diff(chosen, axis=0) <= 0).all()
    assert (np.diff(chosen, axis=1) <= 0).all()
    assert chosen[-1, -1] < chosen[0, 0]
    day = contents.parameters.horizon // 2
    seen = contents.records["reference_rules"].steps["warehouse"][day:]
    assert set(found.visited[0]) <= set(seen.ravel())


def test_the_caption_of_the_map_says_whose_orders_it_shows(contents):
    caption = contents.view.map_caption(contents)
    assert caption == (
        "the warehouse's order over its stock and what it has ordered, on the middle day of the "
        "episode above"
    )
    usual = SimpleNamespace(comparison=SimpleNamespace(measure="return"))
    assert contents.view.map_caption(usual).startswith("a store's order over its stock and")
