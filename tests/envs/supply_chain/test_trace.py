import numpy as np
import pytest

from common.errors import InputError
from common.random_streams import random_stream
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.trace import check_trace, draw_trace
from tests.supply_chain_worlds import make


@pytest.mark.parametrize("model", ["normal", "poisson", "negative_binomial", "gamma"])
def test_a_seed_gives_the_same_trace_whatever_is_done(model):
    p = make(sku={"demand_model": model}, horizon=10)
    one, two = draw_trace(p, random_stream(5, "training"), 4), SupplyChainBatch(p, 4)
    two.rng = random_stream(5, "training")
    two.reset()
    other = draw_trace(p, random_stream(6, "training"), 4)
    assert (one["demand"] != other["demand"]).any()
    shown = [step_all(two, 3) for _ in range(10)]
    np.testing.assert_array_equal(np.stack(shown, axis=1), one["demand"])
    state = two.rng.bit_generator.state["state"]
    idle = SupplyChainBatch(p, 4, rng=random_stream(5, "training"))
    idle.reset()
    for _ in range(10):
        step_all(idle, 0)
    np.testing.assert_array_equal(state["state"], idle.rng.bit_generator.state["state"]["state"])


def step_all(batch, action):
    """Let every agent take the same action as far as it can; return the demand of the day."""
    batch.step(np.minimum(action, np.array(batch.num_actions) - 1) + np.zeros((4, 1), np.int64))
    return batch.sites["demand"].copy()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"demand": np.zeros((29, 3))}, r"'demand' has shape \(29, 3\), not \(30, 3\)"),
        ({"demand": 3.0}, r"'demand' has shape \(\), not"),
        ({"demand": None}, r"'demand' has shape \(\), not"),
        ({"demand": [[1.0], [1.0, 2.0]]}, "must hold arrays of numbers"),
        ({"demand": np.full((30, 3), -1.0)}, "'demand' must be finite and at least 0.0"),
        ({"demand": np.full((30, 3), np.nan)}, "'demand' must be finite and at least 0.0"),
        ({"supplier_ok": np.ones(31)}, r"'supplier_ok' has shape \(31,\), not \(30,\)"),
        ({"supplier_ok": np.full(30, 0.5)}, "'supplier_ok' must hold true and false"),
        ({"supplier_ok": ["yes"] * 30}, "'supplier_ok' must hold true and false"),
        ({"sku": 1}, "'sku' must hold indices from 0 to 0"),
        ({"weather": 1.0}, "check 'weather'"),
    ],
)
def test_a_trace_that_does_not_fit_is_refused(change, message):
    trace = {"demand": np.ones((30, 3)), "supplier_ok": np.ones(30, bool), **change}
    with pytest.raises(InputError, match=message) as refused:
        SupplyChainBatch(make(), 1).reset(trace)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("trace", [None, [], {}])
def test_a_trace_is_a_mapping_of_its_parts(trace):
    with pytest.raises(InputError, match=r"^trace must "):
        check_trace(trace, make())


def test_a_given_trace_is_never_written_to():
    p = make(horizon=3)
    trace = draw_trace(p, np.random.default_rng(0), 4)
    kept = {name: values.copy() for name, values in trace.items()}
    batch = SupplyChainBatch(p, 4)
    batch.reset(trace)
    batch.restart(np.arange(4))
    for name, values in trace.items():
        np.testing.assert_array_equal(values, kept[name])


def test_more_than_memory_holds_is_refused():
    with pytest.raises(InputError, match="too many to hold at once"):
        draw_trace(make(horizon=100_000), np.random.default_rng(0), 1000)
