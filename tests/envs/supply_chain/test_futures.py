"""Futures of copied worlds that belong together are spread evenly over the law of demand."""

import numpy as np
import pytest
from scipy import stats

from common.errors import validated
from envs.batch import Futures
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.trace import SPREAD_DAYS, draw_futures

PATHS, GROUPS, DAY = 32, 3, 4


def futures(paths, *skus):
    given = {"sku": list(skus)} if skus else {}
    p = validated(SupplyChainParameters, {**given, "horizon": 20})
    of = np.arange(PATHS * GROUPS)
    lanes = np.arange(of.size) % len(p.sku)
    drawn = Futures(np.random.default_rng(5), of, paths)
    return p, lanes, draw_futures(p, drawn, lanes, np.zeros_like(lanes), "training", DAY)[0]


def shares(p, lane, demand):
    """Return the share of the law below each demand, shape of `demand`, (T, copies, N)."""
    means, stds = (moment[lane][:, None, :] for moment in p.demand_moments())
    return stats.norm.cdf((demand - means) / stds)


def spacing(below):
    """Return the distances of a group's points, shape (T, groups, paths - 1, N)."""
    return np.diff(np.sort(below.reshape(below.shape[0], GROUPS, PATHS, -1), axis=2), axis=2)


def test_the_paths_of_a_state_lie_evenly_apart_on_each_of_the_next_days():
    p, _, demand = futures(PATHS)
    apart = spacing(shares(p, 0, demand))
    seen = demand.reshape(20, GROUPS, PATHS, -1).min(axis=2) > 0  # a demand of 0 has a chance
    near = apart[DAY : DAY + SPREAD_DAYS].max(axis=2)
    np.testing.assert_allclose(near[seen[DAY : DAY + SPREAD_DAYS]], 1 / PATHS, rtol=1e-6)
    later = apart[DAY + SPREAD_DAYS :].max(axis=2)
    assert (later > 1.5 / PATHS).all()


def test_groups_differ_and_single_paths_are_as_random_as_before():
    _, _, demand = futures(PATHS)
    groups = demand.reshape(20, GROUPS, PATHS, -1)
    assert not np.array_equal(groups[DAY, 0], groups[DAY, 1])
    p, _, alone = futures(1)
    assert spacing(shares(p, 0, alone)).max() > 1.5 / PATHS


@pytest.mark.parametrize("model", ["poisson", "gamma"])
def test_each_sku_keeps_its_own_law(model):
    skus = ({"base_demand": 100}, {"base_demand": 50, "demand_model": model})
    p, lanes, demand = futures(PATHS, *skus)
    day = demand[DAY].mean(axis=1)
    for lane in (0, 1):
        mean = p.demand_moments()[0][lane][DAY].mean()
        assert day[lanes == lane].mean() == pytest.approx(mean, rel=0.1)
    if model == "poisson":
        assert (demand[:, lanes == 1] % 1 == 0).all()
