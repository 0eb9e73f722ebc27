"""Traces from outside: used, or refused in one line."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from common.errors import InputError, validated
from envs.cash import batch as cash
from envs.cash.batch import CashBatch
from envs.cash.parameters import CashParameters
from envs.supply_chain import trace as supply_chain_trace
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

CASH = CashParameters(max_steps=3)
CHAIN = validated(SupplyChainParameters, {"stores": 2, "horizon": 3})
ODD = [None, "x", {}, [[1], [1, 2]], np.nan, -1.0, 1e308, 10**400, b"x", np.array(["a"]), [None]]
arrays = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.bool_, np.complex64, "U3", "M8[s]"]),
    hnp.array_shapes(min_dims=0, max_dims=3, max_side=4),
)
values = st.sampled_from(ODD) | arrays | st.lists(st.floats(), max_size=4)


def drawn(problem):
    rng = np.random.default_rng(0)
    if problem == "cash":
        return cash.draw_trace(CASH, CASH.demand_law("training"), rng, 2)
    return supply_chain_trace.draw_trace(CHAIN, rng, 2)


def check(problem, trace):
    if problem == "cash":
        return cash.check_trace(trace, CASH.max_steps)
    return supply_chain_trace.check_trace(trace, CHAIN)


@pytest.mark.filterwarnings("ignore:Casting complex")
@pytest.mark.parametrize("problem", ["cash", "stores"])
@given(data=st.data())
def test_a_trace_is_used_or_refused(problem, data):
    trace = dict(drawn(problem))
    names = st.sampled_from([*trace, "sku", "extra", 5, None])
    trace |= data.draw(st.dictionaries(names, values, max_size=2))
    for name in data.draw(st.lists(st.sampled_from(sorted(trace, key=str)), max_size=1)):
        del trace[name]
    checked = {}
    with suppress(InputError):
        checked = check(problem, trace)
    assert all(np.isfinite(part).all() for part in checked.values())


@pytest.mark.parametrize("trace", [None, 3, "x", [], [1], {1: 2}, {"demand": object()}, "huge"])
@pytest.mark.parametrize("problem", ["cash", "stores"])
def test_what_is_no_trace_is_refused(problem, trace):
    if trace == "huge":
        trace = {**drawn(problem), "demand": [10**400]}
    with pytest.raises(InputError) as refused:
        check(problem, trace)
    assert "\n" not in str(refused.value)


def test_batches_refuse_a_trace_of_other_worlds():
    for batch, problem in ((CashBatch(CASH, 3), "cash"), (SupplyChainBatch(CHAIN, 3), "stores")):
        with pytest.raises(InputError, match="episodes, not 3"):
            batch.reset(drawn(problem))
