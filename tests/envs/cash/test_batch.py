import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import InputError, validated
from common.random_streams import SPLITS, random_stream
from demand.laws import NormalDemand
from envs.batch import Futures
from envs.cash.batch import CashBatch
from envs.cash.kernels import STEP
from envs.cash.parameters import CashParameters
from envs.cash.trace import check_trace, draw_trace, trace_covariates
from tests.restored import check_same_future

SIDES = ("raw_price", "product_price")
EVERY_LOT = {"buy_lots": (1, 5, 20), "convert_lots": (1, 5, 10)}


def play(batch, trace, actions):
    """Return observations, rewards and ends of a batch on a trace; actions: (steps, worlds)."""
    batch.reset(trace)
    observations, rewards, ends = [batch.observation()], [], []
    for action in actions:
        outcome = batch.step(action)
        observations.append(batch.observation())
        rewards.append(outcome.reward)
        ends.append(outcome.terminated | outcome.truncated)
    return np.array(observations), np.array(rewards), np.array(ends)


def test_golden_trajectory_in_the_middle_of_a_batch(cash_case):
    """Neighbours with other traces and actions change nothing."""
    parameters = CashParameters(**cash_case["params"])
    case, steps = check_trace(cash_case["trace"], parameters.max_steps), len(cash_case["actions"])
    rng = np.random.default_rng(0)
    others = draw_trace(parameters, parameters.demand_law(), rng, 2)
    trace = {k: np.concatenate([others[k][:1], case[k], others[k][1:]]) for k in case}
    actions = rng.integers(0, parameters.num_actions, (steps, 3))
    actions[:, 1] = cash_case["actions"]
    observations, rewards, _ = play(CashBatch(parameters, 3), trace, actions)
    np.testing.assert_allclose(observations[:, 1], cash_case["observations"], rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(rewards[:, 1], cash_case["rewards"], rtol=1e-9, atol=1e-9)


@given(
    seed=st.integers(0, 2**32 - 1),
    worlds=st.integers(1, 6),
    cash=st.floats(1, 300),
    objective=st.sampled_from(["shaped", "profit"]),
    steps=st.integers(1, 30),
)
def test_a_batch_of_n_equals_n_batches_of_one(seed, worlds, cash, objective, steps):
    p = CashParameters(initial_cash=cash, objective=objective, max_steps=steps, **EVERY_LOT)
    rng = np.random.default_rng(seed)
    trace = draw_trace(p, p.demand_law(), rng, worlds)
    actions = rng.integers(0, p.num_actions, (steps, worlds))
    together = play(CashBatch(p, worlds), trace, actions)
    for i in range(worlds):
        alone = play(CashBatch(p, 1), {k: v[i : i + 1] for k, v in trace.items()}, actions[:, [i]])
        for one, all_ in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[:, 0], all_[:, i])


@given(seed=st.integers(0, 2**32 - 1), cash=st.floats(5, 2000), std=st.floats(0, 8))
def test_flow_is_conserved(seed, cash, std):
    """Units and money come from somewhere and stay somewhere, and stocks are never negative."""
    p = CashParameters(initial_cash=cash, demand_std=std, max_steps=40, **EVERY_LOT)
    rng = np.random.default_rng(seed)
    batch = CashBatch(p, 1, rng=rng)
    batch.reset()
    buy, make = p.lots()
    for _ in range(p.max_steps):
        before = batch.state[0].copy()
        action = int(rng.integers(0, p.num_actions))
        valid = batch.action_masks()[0, action]
        batch.step(np.array([action]))
        after, report = batch.state[0], batch.report[0]
        assert report["invalid_action"] == (not valid)
        bought, made = (buy[action] * valid, make[action] * valid)
        assert after["raw"] == before["raw"] + bought - 2 * made
        assert after["product"] == pytest.approx(before["product"] + made - report["sold_units"])
        spent = bought * before["raw_price"]
        assert after["cash"] == pytest.approx(before["cash"] - spent + report["revenue"])
        assert report["sold_units"] + report["unmet_demand"] == pytest.approx(after["demand"])
        assert min(after["raw"], after["product"], after["cash"]) >= 0
        assert min(after["raw_price"], after["product_price"]) >= 0.1


def test_a_restored_state_gives_the_same_future():
    batch = CashBatch(CashParameters(max_steps=7), 5, rng=np.random.default_rng(3))
    batch.reset()
    actions = np.random.default_rng(4).integers(0, 3, (40, 5))

    for action in actions[:3]:
        batch.step(action)
    check_same_future(batch, actions)


def test_profit_is_the_change_in_cash_less_holding_cost():
    p = CashParameters(objective="profit", max_steps=30, **EVERY_LOT)
    batch = CashBatch(p, 50, rng=np.random.default_rng(0))
    batch.reset()
    rng = np.random.default_rng(1)
    held = np.zeros(50)
    for _ in range(30):
        batch.step(rng.integers(0, 7, 50))
        held += batch.report["holding_cost"]
    gain = batch.state["cash"] - p.initial_cash
    np.testing.assert_allclose(batch.episode_totals()["return"], gain - held)


def test_expected_reward_is_the_mean_over_the_law_of_demand():
    """Many worlds in one state, each with its own demand: realised rewards average to it."""
    n = 200_000
    p = CashParameters(demand_mean=3, demand_std=3, max_steps=4, **EVERY_LOT)
    trace = draw_trace(p, p.demand_law(), np.random.default_rng(0), n)
    for name in ("raw_price", "product_price"):
        trace[name] = np.full(n, trace[name][0])
        trace[f"{name}_change"] = np.zeros((n, 4))
    trace["demand"][:, 1:3] = 0.0  # nothing sold until the third step
    realised, expected = CashBatch(p, n), CashBatch(p, 1, expected_reward=True)
    realised.reset(trace)
    expected.reset({name: values[:1] for name, values in trace.items()})
    for action in (3, 5, 0):  # buy 20, make 5, wait: 5 products meet demand of about 3
        mean = realised.step(np.full(n, action)).reward
        one = expected.step(np.array([action])).reward[0]
    assert one == pytest.approx(mean.mean(), abs=4 * mean.std() / np.sqrt(n))
    assert mean.std() > 10
    assert expected.episode_totals()["return"][0] != pytest.approx(one)


def test_expected_reward_needs_a_law(bakery):
    with pytest.raises(InputError, match=r"reward\.expected needs the law"):
        CashBatch(validated(CashParameters, {"demand_data": bakery}), 1, expected_reward=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("holding_cost", -1),
        ("initial_cash", 0),
        ("buy_lots", [0]),
        ("convert_lots", []),
        ("max_steps", 0),
        ("price_std", float("nan")),
        ("objective", "fame"),
        ("raw_per_product", 1.5),
        ("demand_mean", "ten"),
    ],
)
def test_parameters_out_of_range_are_named(name, value):
    with pytest.raises(InputError, match=name) as refused:
        validated(CashParameters, {name: value})
    assert "\n" not in str(refused.value)


def test_unknown_parameter_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match="'holding_cots'; did you mean 'holding_cost'"):
        validated(CashParameters, {"holding_cots": 1})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"demand": np.zeros(50)}, "'demand' has shape"),
        ({"demand": None}, "'demand' has shape"),
        ({"raw_price": -1.0}, "'raw_price' must be finite and at least 0.1"),
        ({"raw_price_change": np.full(50, np.inf)}, "'raw_price_change' must be finite"),
        ({"product_price": "dear"}, "'product_price' must hold numbers"),
        ({"weather": 1.0}, "check 'weather'"),
    ],
)
def test_a_trace_that_does_not_fit_is_refused(change, message):
    p = CashParameters()
    trace = draw_trace(p, p.demand_law(), np.random.default_rng(0), 1)
    with pytest.raises(InputError, match=message):
        CashBatch(p, 1).reset({**trace, **change})


@pytest.mark.parametrize("action", [-1, 3])
def test_an_action_out_of_range_changes_nothing(action):
    batch = CashBatch(CashParameters(), 2)
    batch.reset()
    before = batch.state.copy()
    with pytest.raises(ValueError, match=f"world 1 cannot take action {action}: must be 0 to 2"):
        batch.step(np.array([0, action]))
    np.testing.assert_array_equal(batch.state, before)


def test_a_given_trace_is_never_written_to():
    p = CashParameters(max_steps=3)
    trace = draw_trace(p, p.demand_law(), np.random.default_rng(0), 4)
    kept = {name: values.copy() for name, values in trace.items()}
    batch = CashBatch(p, 4)
    batch.reset(trace)
    batch.restart(np.array([1, 2]))
    for name, values in trace.items():
        np.testing.assert_array_equal(values, kept[name])


def test_parameters_change_with_each_worlds_next_episode():
    batch = CashBatch(CashParameters(max_steps=3), 2)
    batch.reset()
    batch.change_parameters(CashParameters(max_steps=5, initial_cash=77))
    actions = np.zeros(2, np.int64)
    truncated = [batch.step(actions).truncated for _ in range(3)]
    assert truncated[2].all()
    assert not truncated[1].any()
    batch.restart(np.array([0]))
    assert batch.state["cash"].tolist() == [77, 1000]
    with pytest.raises(InputError, match="buy_lots cannot change"):
        batch.change_parameters(CashParameters(buy_lots=(2,)))


@pytest.mark.parametrize("expected", [False, True])
def test_worlds_of_two_stages_share_a_batch(expected):
    """Each goes on as in a batch of its own, though their parameters and steps differ."""
    stages = [CashParameters(max_steps=9), CashParameters(max_steps=9, objective="profit")]
    trace = draw_trace(stages[0], stages[0].demand_law(), np.random.default_rng(0), 4)
    batch = CashBatch(stages[0], 4, expected_reward=expected, rng=np.random.default_rng(1))
    batch.reset(trace)
    actions = np.array([[1, 1, 1, 1], [1, 0, 2, 1], [2, 1, 0, 2], [0, 2, 1, 1]])
    for action in actions[:2]:
        batch.step(action)
    batch.change_parameters(stages[1])
    batch.restart(np.array([1, 3]))
    start = {name: values.copy() for name, values in batch.get_state()["trace"].items()}
    start |= {name: batch.state[name] for name in SIDES}
    apart = [CashBatch(p, 4, expected_reward=expected) for p in stages]
    apart[0].reset(trace)
    apart[1].reset(start)
    for action in actions[:2]:
        apart[0].step(action)
    for action in actions[2:]:
        together = batch.step(action)
        for worlds, other in zip(([0, 2], [1, 3]), apart, strict=True):
            alone = other.step(action)
            np.testing.assert_array_equal(together.reward[worlds], alone.reward[worlds])
            np.testing.assert_array_equal(batch.report[worlds], other.report[worlds])
            np.testing.assert_array_equal(batch.observation()[worlds], other.observation()[worlds])
    batch.restart(np.arange(4))
    apart[1].reset({**batch.get_state()["trace"], **{name: batch.state[name] for name in SIDES}})
    np.testing.assert_array_equal(batch.step(actions[0]).reward, apart[1].step(actions[0]).reward)


@pytest.mark.parametrize("worlds", [1, 255, 256, 300, 544, 1024])
def test_rows_have_room_for_every_world(worlds):
    """However many spare columns keep the rows apart, they are never shown."""
    batch = CashBatch(CashParameters(max_steps=2), worlds)
    batch.reset()
    batch.step(np.ones(worlds, np.int64))
    assert batch.rows.shape[1] == batch.state.size == batch.report.size == worlds
    assert (batch.state["raw"] == 1).all()


def test_the_state_is_a_picture_of_the_moment():
    batch = CashBatch(CashParameters(), 2)
    batch.reset()
    before = batch.state
    batch.step(np.ones(2, np.int64))
    assert before["step"].tolist() == [0, 0]
    with pytest.raises(ValueError, match="read-only"):
        before["raw"] = 5.0


@pytest.mark.parametrize("change", [{}, {"price_std": 4.0, "demand_mean": 1.0}])
def test_covariates_have_mean_zero(change):
    p = CashParameters(**change)
    trace = draw_trace(p, p.demand_law(), np.random.default_rng(0), 100_000)
    columns = trace_covariates(p, trace)
    assert columns.shape == (100_000, 5)
    standard = columns.mean(axis=0) / (columns.std(axis=0) / np.sqrt(len(columns)))
    assert np.abs(standard).max() < 4


def test_expected_demand_is_that_of_the_floored_law():
    law = NormalDemand(1.0, 3.0)
    drawn = law.draw(np.random.default_rng(0), 1000, 1000)
    assert law.expected == pytest.approx(drawn.mean(), abs=0.01)
    assert drawn.min() == 0


def test_streams_of_different_uses_never_meet():
    first = {random_stream(5, split).random() for split in SPLITS}
    assert len(first) == len(SPLITS)
    assert random_stream(5, "training").random() == random_stream(5, "training").random()


def narrower(state):
    return {**state, "worlds": state["worlds"][:, :2]}


def shorter(state):
    trace = {**state["trace"], "raw_price_change": state["trace"]["raw_price_change"][:, 1:]}
    return {**state, "trace": trace}


def at_step(step):
    def moved(state):
        worlds = state["worlds"].copy()
        worlds[STEP, 1] = step
        return {**state, "worlds": worlds}

    return moved


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (narrower, "another number of worlds"),
        (shorter, "a trace of another shape"),
        (at_step(-1), "a step out of its episode"),
        (at_step(0.5), "a step out of its episode"),
        (at_step(7), "a step out of its episode"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(forge, message):
    batch = CashBatch(CashParameters(max_steps=7), 3)
    batch.reset()
    before = batch.state.copy()
    with pytest.raises(ValueError, match=message):
        batch.set_state(forge(batch.get_state()))
    np.testing.assert_array_equal(batch.state, before)
    batch.set_state(batch.get_state())


def test_copies_keep_the_stage_of_their_world():
    batch = CashBatch(CashParameters(max_steps=9, holding_cost=0.0), 4)
    batch.reset()
    batch.change_parameters(CashParameters(max_steps=9, holding_cost=3.0))
    batch.restart(np.array([1, 3]))
    copy = batch.fork(np.array([3, 0, 1])).batch
    copy.step(np.ones(3, np.int64))
    batch.step(np.ones(4, np.int64))
    assert copy.report["holding_cost"].tolist() == [3.0, 0.0, 3.0]
    np.testing.assert_array_equal(copy.observation(), batch.observation()[[3, 0, 1]])


def test_days_of_a_file_have_no_other_future(bakery):
    batch = CashBatch(validated(CashParameters, {"demand_data": bakery, "max_steps": 5}), 2)
    batch.reset()
    assert not batch.memoryless
    with pytest.raises(InputError, match="futures=None"):
        batch.fork(np.zeros(2, np.intp), Futures(np.random.default_rng(0), np.arange(2)))
