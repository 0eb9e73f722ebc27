"""Worlds of anybody's environment: what they refuse, and how they are put back."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from pydantic import ValidationError

from common.errors import InputError
from envs.batch import Futures, random_actions
from envs.external import registration
from envs.external.batch import ExternalBatch, ExternalParameters


class Shelf(gymnasium.Env):
    """Two goods on a shelf of a few places: what is ordered of them is the reward."""

    def __init__(self, places=3, observation=None):
        self.places = places
        own = spaces.Box(0.0, np.inf, (2,), np.float32)
        self.observation_space = own if observation is None else observation
        self.action_space = spaces.MultiDiscrete([places + 1, 2])

    def reset(self, *, seed=None, options=None):  # noqa: ARG002
        super().reset(seed=seed)
        self.held = self.np_random.integers(0, self.places + 1, 2)
        return self._seen(), {}

    def _seen(self):
        box = isinstance(self.observation_space, spaces.Box)
        return self.held.astype(np.float32) if box else int(self.held[0])

    def step(self, action):
        self.held = (self.held + action) % (self.places + 1)
        return self._seen(), float(10 * action[0] + action[1]), False, False, {}


class Full(Shelf):
    """A shelf that says itself what fits."""

    def action_masks(self):
        return [k <= self.places - self.held[0] for k in range(self.places + 1)] + [True, False]


class Priced(Shelf):
    """A shelf with a price that happens to be a whole number."""

    def __init__(self, price: float = 4, places: int = 3):
        super().__init__(places)
        self.price = price


class Places(ExternalParameters):
    places: int = 3
    max_steps: int = 4


def make(parameters):
    return Shelf(**parameters.keywords())


def batch(worlds=2, build=make, **options):
    return ExternalBatch(build, Places(), worlds, **options)


@pytest.fixture
def played():
    """A batch in the midst of its episodes."""
    made = batch()
    made.reset({"seed": np.array([5, 7])})
    made.step(np.array([[1, 0], [2, 1]]))
    return made


def test_the_constructor_takes_all_fields_but_the_project_s_own():
    assert Places(places=5, law_is_known=True, max_steps=9).keywords() == {"places": 5}


def test_a_keyword_that_is_said_to_be_a_float_takes_one(monkeypatch):
    monkeypatch.setattr(registration, "PROBLEMS", {})
    parameters = registration.register_environment(f"{__name__}:Priced").parameters
    assert parameters(price=4.5).price == 4.5
    with pytest.raises(ValidationError, match="fractional part"):
        parameters(places=2.5)


def test_every_entry_of_an_action_counts_by_itself(played):
    assert played.num_actions == (4, 2)
    outcome = played.step(np.array([[3, 1], [0, 1]]))
    assert outcome.reward.tolist() == [31.0, 1.0]
    assert played.episode_totals()["return"].tolist() == [41.0, 22.0]


@pytest.mark.parametrize(
    ("space", "size"),
    [(spaces.Discrete(4), 4), (spaces.Box(0.0, 9.0, (2,), np.float32), 2)],
    ids=["one number", "a vector"],
)
def test_observations_become_vectors(space, size):
    made = batch(build=lambda p: Shelf(p.places, space))
    made.reset({"seed": np.array([5, 7])})
    held = np.array([env.unwrapped.held for env in made.envs])
    assert made.observation_size == size
    expected = np.eye(4)[held[:, 0]] if size == 4 else held
    np.testing.assert_array_equal(made.observation(), expected)


def test_without_masks_of_its_own_every_action_is_valid():
    masks = batch(3).action_masks()
    assert masks.shape == (3, 4 + 2)
    assert masks.all()


def test_an_environment_s_own_masks_are_those_of_its_world():
    made = batch(build=lambda p: Full(p.places))
    made.reset()
    for env, mask in zip(made.envs, made.action_masks(), strict=True):
        assert mask.tolist() == env.action_masks()
    assert not made.action_masks()[:, -1].any()


def test_random_play_takes_valid_actions_where_the_environment_says_which_are():
    made = batch(50, build=lambda p: Full(p.places))
    made.reset()
    masks, chosen = made.action_masks(), random_actions(made, np.random.default_rng(0))
    assert masks[np.arange(50), chosen[:, 0]].all()
    assert (chosen[:, 1] == 0).all()
    assert len(set(chosen[:, 0].tolist())) == 4


def old(method, returned):
    """Make shelves one of whose methods is that of the old Gym."""
    shelf = type("Old", (Shelf,), {method: lambda *_, **__: returned})
    return lambda _: shelf()


def test_methods_of_the_old_gym_are_refused():
    seen = np.zeros(2, np.float32)
    with pytest.raises(InputError, match=r"its reset must return \(observation, info\), not nda"):
        batch(build=old("reset", seen))
    made = batch(build=old("step", (seen, 0.0, False, {})))
    made.reset()
    with pytest.raises(InputError, match=r"its step must return .*, not 4 parts"):
        made.step(np.zeros((2, 2), np.int64))


def test_observations_without_a_length_are_refused():
    with pytest.raises(InputError, match="which make no vector of one length"):
        batch(build=lambda _: Shelf(observation=spaces.Sequence(spaces.Discrete(3))))


def test_an_environment_without_spaces_is_refused():
    with pytest.raises(InputError, match="it has no observation_space; give it one of gymnasium"):
        batch(build=lambda _: gymnasium.Env())


def test_the_law_of_another_s_environment_is_not_known():
    with pytest.raises(InputError, match=r"reward\.expected needs the law"):
        batch(expected_reward=True)


def test_a_trace_has_a_seed_for_every_world():
    with pytest.raises(InputError, match=r"trace 'seed': has shape \(3,\), not \(2,\)"):
        batch().reset({"seed": np.arange(3)})


def test_a_world_that_has_ended_is_restarted_first(played):
    for _ in range(3):
        outcome = played.step(np.zeros((2, 2), np.int64))
    assert outcome.truncated.all()
    with pytest.raises(ValueError, match="a world has ended: restart it first"):
        played.step(np.zeros((2, 2), np.int64))
    played.restart(np.array([0]))
    with pytest.raises(ValueError, match="a world has ended"):
        played.step(np.zeros((2, 2), np.int64))
    played.restart(np.array([1]))
    played.step(np.zeros((2, 2), np.int64))
    assert played.episode_totals()["length"].tolist() == [1.0, 1.0]


def test_other_parameters_hold_from_where_all_worlds_start_together(played):
    played.change_parameters(Places(max_steps=1))
    played.restart(np.array([1]))
    assert not played.step(np.zeros((2, 2), np.int64)).truncated.any()
    played.restart(np.arange(2))
    assert played.step(np.zeros((2, 2), np.int64)).truncated.all()


def test_the_spaces_stay_the_same_from_stage_to_stage(played):
    played.change_parameters(Places(places=5))
    with pytest.raises(InputError, match="spaces of an environment cannot change between stages"):
        played.reset()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"actions": np.zeros((3, 4, 2), np.int64)}, "another number of worlds"),
        ({"steps": np.array([1, 1, 1])}, "another number of worlds"),
        ({"seeds": np.array([5, 5, 5])}, "another number of worlds"),
        ({"steps": np.ones(3, int), "seeds": np.ones(3, int)}, "another number of worlds"),
        ({"steps": np.array([-1, 1])}, "steps or seeds are out of range"),
        ({"steps": np.array([1, 5])}, "steps or seeds are out of range"),
        ({"seeds": np.array([5, -7])}, "steps or seeds are out of range"),
        ({"actions": np.full((2, 4, 2), -1)}, "actions are out of range"),
        ({"actions": np.full((2, 4, 2), 2)}, "actions are out of range"),
    ],
)
def test_a_state_of_other_worlds_is_refused(change, message, played):
    seen = played.observation()
    with pytest.raises(ValueError, match=message):
        played.set_state({**played.get_state(), **change})
    np.testing.assert_array_equal(played.observation(), seen)


def test_a_fork_goes_its_own_way_from_where_its_world_was(played):
    fork = played.fork(np.array([1, 1, 0]))
    assert fork.batch.episode_totals()["return"].tolist() == [21.0, 21.0, 10.0]
    np.testing.assert_array_equal(fork.batch.observation(), played.observation()[[1, 1, 0]])
    fork.batch.step(np.ones((3, 2), np.int64))
    assert played.episode_totals()["length"].tolist() == [1.0, 1.0]


def test_futures_of_another_s_environment_cannot_be_drawn(played):
    futures = Futures(np.random.default_rng(0), np.arange(2))
    with pytest.raises(InputError, match="fork with futures=None"):
        played.fork(np.arange(2), futures)


def test_actions_that_do_not_begin_at_0_are_refused():
    class Late(Shelf):
        def __init__(self):
            super().__init__()
            self.action_space = spaces.Discrete(3, start=1)

    with pytest.raises(InputError, match=r"agents here choose among those numbered from 0"):
        batch(build=lambda _: Late())


@pytest.mark.parametrize("method", ["reset", "step"])
def test_an_observation_that_is_not_of_its_space_is_refused(method):
    seen = np.zeros(3, np.float32)
    build = old(method, (seen, {}) if method == "reset" else (seen, 0.0, False, False, {}))
    with pytest.raises(InputError, match=rf"its {method} returned .* shape \(3,\), and .* \(2,\)"):
        batch(build=build).step(np.zeros((2, 2), int))
