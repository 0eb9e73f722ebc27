"""What a forged checkpoint may not hold."""

import copy
import random

import numpy as np
import pytest
import torch

from envs.problems import PROBLEMS
from training.state_checks import (
    check_batch,
    check_bit_generator,
    check_episodes,
    check_generators,
    check_like,
    check_number,
    check_optimizer,
    check_rows,
)

OURS = {
    "steps": 3,
    "gain": 0.5,
    "name": "dqn",
    "used": True,
    "means": np.zeros(2),
    "weights": torch.zeros(2, 2),
    "counts": [1, (2, 3)],
    "rows": np.zeros(2, [("stock", np.float64), ("day", np.int64)]),
}


def test_what_looks_like_our_own_passes():
    check_like(OURS, copy.deepcopy(OURS), "it")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"more": 1}, "it has other parts"),
        ({"counts": [1]}, "it.counts has another length"),
        ({"counts": [1, [2, 3]]}, "it.counts.1 has another length"),
        ({"counts": [1, (2, 3.5)]}, "it.counts.1.1 is no whole number from"),
        ({"name": 3}, "it.name is of another type"),
        ({"used": 1}, "it.used is of another type"),
        ({"steps": True}, "it.steps is no whole number from"),
        ({"gain": "0.5"}, "it.gain is no number from"),
        ({"means": np.zeros(3)}, "it.means is an array of another kind"),
        ({"means": np.zeros(2, np.float32)}, "it.means is an array of another kind"),
        ({"means": [0.0, 0.0]}, "it.means is an array of another kind"),
        ({"means": np.array([0.0, np.inf])}, "it.means is not finite or far too large"),
        ({"weights": torch.zeros(2, 2).to_sparse()}, "it.weights is an array of another kind"),
        ({"weights": torch.full((2, 2), 1e31)}, "it.weights is not finite or far too large"),
        ({"rows": np.array([(np.nan, 1), (0.0, 1)], OURS["rows"].dtype)}, "it.rows is not finite"),
    ],
)
def test_what_does_not_is_named(changed, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        check_like(OURS, copy.deepcopy({**OURS, **changed}), "it")


def test_a_number_or_rows_out_of_range_are_named():
    check_number(5, "the step", 0, 5)
    with pytest.raises(ValueError, match=r"^the step is no whole number from 0 to 5$"):
        check_number(6, "the step", 0, 5)
    check_rows(np.zeros(0), 1, 2, "actions")
    with pytest.raises(ValueError, match=r"^actions has entries out of range$"):
        check_rows(np.array([0, 3]), 0, 2, "actions")


def generators():
    python = random.Random(1).getstate()  # noqa: S311  (a state to look at)
    numpy = np.random.RandomState(1).get_state(legacy=True)
    return {"python": python, "numpy": numpy, "torch": torch.Generator().get_state()}


def forged(name, at, value):
    parts = list(generators()[name])
    parts[at] = value
    return {**generators(), name: tuple(parts)}


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        (forged("python", 1, (2**32, *generators()["python"][1][1:])), "Python's generator is no"),
        (forged("python", 2, 1e31), "Python's generator is no number"),
        (forged("numpy", 2, 625), "numpy's generator is no whole number from 0 to 624"),
        (forged("numpy", 1, np.zeros(624, np.uint32)), "a generator that only gives zeros"),
        ({**generators(), "torch": torch.zeros(3)}, "torch's generator is an array of another"),
    ],
)
def test_generators_that_would_stand_still_or_read_beyond_their_end_are_refused(theirs, message):
    check_generators(generators(), forged("python", 2, 0.25))
    with pytest.raises(ValueError, match=f"^{message}"):
        check_generators(generators(), theirs)


def bit_generator(**changed):
    state = np.random.default_rng(1).bit_generator.state
    inner = {name: changed.pop(name) for name in ("inc",) if name in changed}
    return {**state, **changed, "state": {**state["state"], **inner}}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"inc": 2}, "its generator could stand still"),
        ({"inc": 1 << 128}, "its generator is no whole number"),
        ({"has_uint32": 2}, "its generator is no whole number from 0 to 1"),
        ({"bit_generator": "MT19937"}, "its generator is of another kind"),
    ],
)
def test_a_bit_generator_of_another_kind_is_refused(changed, message):
    check_bit_generator(bit_generator(), bit_generator(), "its generator")
    with pytest.raises(ValueError, match=f"^{message}"):
        check_bit_generator(bit_generator(), bit_generator(**changed), "its generator")


@pytest.fixture
def optimizer():
    return torch.optim.Adam([torch.nn.Parameter(torch.zeros(3))])


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        ({7: {}}, "the optimiser is of another model"),
        ({0: {"step": torch.tensor(1.0)}}, "the optimiser's state 0 has other parts"),
        ({"exp_avg_sq": -1.0}, "the optimiser's exp_avg_sq is negative"),
        ({"step": -1.0}, "the optimiser's step is negative"),
    ],
)
def test_moments_of_another_model_or_below_zero_are_refused(optimizer, theirs, message):
    own = {
        "step": torch.tensor(1.0),
        "exp_avg": torch.zeros(3),
        "exp_avg_sq": torch.zeros(3),
    }
    check_optimizer(optimizer, {0: own})
    wrong = theirs
    if isinstance(next(iter(theirs)), str):
        wrong = {0: {**own, **{name: own[name] + value for name, value in theirs.items()}}}
        wrong[0]["step"] = wrong[0]["step"] - 2 * ("step" in theirs)
    with pytest.raises(ValueError, match=f"^{message}$"):
        check_optimizer(optimizer, wrong)


@pytest.mark.parametrize(
    ("episodes", "message"),
    [
        ({"r": 1.0}, "its episodes is no list of at most 2"),
        ([{"r": 1.0}] * 3, "its episodes is no list of at most 2"),
        ([{"l": 1.0}], "its episodes has other parts"),
        ([{"r": "1"}], "its episodes is no number"),
    ],
)
def test_episodes_are_a_short_list_of_numbers(episodes, message):
    check_episodes([{"r": 1.0}, {"r": -2}], 2, ["r"], "its episodes")
    with pytest.raises(ValueError, match=f"^{message}"):
        check_episodes(episodes, 2, ["r"], "its episodes")


@pytest.fixture(scope="module")
def worlds():
    problem = PROBLEMS["cash"]
    parameters = problem.parameters()
    batch = problem.make_batch(parameters, 2)
    batch.reset()
    return parameters, batch.get_state()


def other(state, **changed):
    return {**copy.deepcopy(state), **changed}


def test_worlds_of_a_run_are_checked_part_by_part(worlds):
    parameters, state = worlds
    stages, trace, constants = [parameters], state["trace"], state["constants"]
    check_batch(state, other(state), stages)
    longer = {name: np.zeros((2, 99)) for name in trace}
    check_batch(state, other(state, trace=longer), stages)  # of a longer stage
    refused = {
        "its worlds have other parts": {"more": 1},
        "its worlds' parameters are of no stage": {"parameters": None},
        "its worlds' constants are of no stage": {"constants": np.zeros_like(constants)},
        "its worlds' trace has other parts": {"trace": {}},
        "its worlds' demand is an array of another kind": {"trace": {**trace, "demand": None}},
        "its worlds' worlds has entries out of range": {"worlds": state["worlds"] + 1e29 * 20},
        "its worlds' generator is no whole": {"rng": {**state["rng"], "has_uint32": -1}},
    }
    for message, changed in refused.items():
        with pytest.raises(ValueError, match=f"^{message}"):
            check_batch(state, other(state, **changed), stages)


def test_a_number_of_a_batch_is_like_our_own(worlds):
    check_batch({"turn": 1}, {"turn": 2}, [worlds[0]])
    with pytest.raises(ValueError, match=r"^its worlds' turn is no whole number"):
        check_batch({"turn": 1}, {"turn": 2.5}, [worlds[0]])


def test_what_a_team_remembers_is_arrays_of_finite_numbers(worlds):
    stages, own = [worlds[0]], {"memory": None}
    check_batch(own, {"memory": [{"store": np.ones(2)}, None]}, stages)
    for memory in (["text"], {"store": (3,)}):
        with pytest.raises(ValueError, match=r"^its worlds' memory is no array$"):
            check_batch(own, {"memory": memory}, stages)
    with pytest.raises(ValueError, match=r"^memory has entries out of range"):
        check_batch(own, {"memory": np.array([2e30])}, stages)
