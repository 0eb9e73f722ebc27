"""Worlds of any Gymnasium environment, stepped one by one.

An episode's trace is the seed that its environment is reset with: policies that are compared play
the same seeds, and the state of a world is its seed and the actions since, so that it is restored
by replaying them. Both require an environment that draws only from its own generator.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation
from numpy.typing import NDArray

from common.errors import FrozenModel, InputError
from common.random_streams import Split, random_stream
from envs.batch import LAW_UNKNOWN, NOT_MEMORYLESS, Fork, Futures, Outcome, Trace, whole_actions

Environment = gymnasium.Env[Any, Any]
MOST_SEED = 2**31


class ExternalParameters(FrozenModel):
    """Parameters of an environment: its constructor's keywords are the fields of a subclass."""

    law_is_known: bool = False

    def check_stage(self, stage: "ExternalParameters") -> None:
        """Accept every stage: the batch itself compares the spaces of a stage's environment."""

    def keywords(self) -> dict[str, Any]:
        """Return the keyword arguments of the constructor."""
        own = self.model_dump(exclude={"law_is_known"})
        return {name: value for name, value in own.items() if name in self.constructor_keywords()}

    @classmethod
    def constructor_keywords(cls) -> frozenset[str]:
        """Return the names of the fields that the constructor takes."""
        return frozenset(cls.model_fields) - {"law_is_known", "max_steps"}


def draw_seeds(parameters: Any, split: Split, rng: np.random.Generator, episodes: int) -> Trace:
    """Return the seeds of that many episodes, drawn alike for every split."""
    del parameters, split
    return {"seed": rng.integers(0, MOST_SEED, episodes)}


class ExternalBatch:
    """A batch of worlds of an environment (implements `envs.batch.Batch`).

    Parameters
    ----------
    make : callable
        Makes an environment from the parameters.
    parameters : ExternalParameters
        Those of the present episodes; `max_steps` ends episodes that the environment does not end.
    num_worlds : int
        Number of environments.
    rng : numpy.random.Generator, optional
        Generator of seeds.
    split : str
        The split whose stream of seed 0 is used without `rng`.
    observe_step : bool
        Append the share of `max_steps` that has passed.
    expected_reward : bool
        Must be false: the law of a third-party environment is unknown.

    Raises
    ------
    InputError
        If agents here cannot learn in its spaces.
    """

    observation_low, expected_reward, memoryless = -np.inf, False, False

    def __init__(
        self,
        make: Callable[[Any], Environment],
        parameters: Any,
        num_worlds: int,
        *,
        rng: np.random.Generator | None = None,
        split: Split = "training",
        observe_step: bool = False,
        expected_reward: bool = False,
    ) -> None:
        if expected_reward:
            raise InputError(LAW_UNKNOWN)
        self.parameters = self._next = parameters
        self.num_worlds, self._observe_step = num_worlds, observe_step
        self._make = make
        self.rng = random_stream(0, split) if rng is None else rng
        self.envs = [_flat(make(parameters)) for _ in range(num_worlds)]
        self.num_actions = _action_counts(self.envs[0])
        size = int(np.prod(self.envs[0].observation_space.shape or (0,)))
        self.observation_size = size + observe_step
        self._rows = np.zeros((num_worlds, size), np.float32)
        first = _parts(self.envs[0].reset(seed=0), "reset", 2)  # here: before anything is written
        self._see(0, first[0], "reset")
        self._steps = np.zeros(num_worlds, np.int64)
        self._returns = np.zeros(num_worlds)
        self._seeds = np.zeros(num_worlds, np.int64)
        self._actions = self._room()

    def _room(self) -> NDArray[np.int64]:
        """Return room for the actions of the present episodes."""
        decisions = 1 if isinstance(self.num_actions, int) else len(self.num_actions)
        return np.zeros((self.num_worlds, self.parameters.max_steps, decisions), np.int64)

    def reset(self, trace: Mapping[str, Any] | None = None) -> None:
        """Start an episode in every world, with the seeds of a trace or drawn ones."""
        self._use_next_parameters()
        drawn = draw_seeds(self.parameters, "training", self.rng, self.num_worlds)
        seeds = np.asarray((drawn if trace is None else trace)["seed"], np.int64)
        if seeds.shape != (self.num_worlds,):
            raise InputError(f"trace 'seed': has shape {seeds.shape}, not ({self.num_worlds},)")
        self._begin(np.arange(self.num_worlds), seeds)

    def restart(self, worlds: NDArray[np.intp]) -> None:
        """Start an episode with drawn seeds in some worlds."""
        if len(worlds) == self.num_worlds:
            self._use_next_parameters()
        self._begin(worlds, draw_seeds(self.parameters, "training", self.rng, len(worlds))["seed"])

    def _begin(self, worlds: NDArray[np.intp], seeds: NDArray[np.int64]) -> None:
        self._seeds[worlds], self._steps[worlds], self._returns[worlds] = seeds, 0, 0.0
        self._actions[worlds] = 0
        for world, seed in zip(worlds.tolist(), seeds.tolist(), strict=True):
            self._see(world, self.envs[world].reset(seed=seed)[0], "reset")

    def _see(self, world: int, observation: Any, method: str) -> None:
        row = np.asarray(observation)
        if row.shape != self._rows[world].shape:
            raise InputError(
                f"--env: its {method} returned an observation of shape {row.shape}, and its "
                f"observation_space is of shape {self._rows[world].shape}"
            )
        self._rows[world] = row

    def change_parameters(self, parameters: Any) -> None:
        """Use other parameters from the next time on that all worlds start together."""
        self._next = parameters

    def _use_next_parameters(self) -> None:
        if self._next is self.parameters:
            return
        envs = [_flat(self._make(self._next)) for _ in range(self.num_worlds)]
        spaces_of = [(env.observation_space, env.action_space) for env in (envs[0], self.envs[0])]
        if spaces_of[0] != spaces_of[1]:
            raise InputError("the spaces of an environment cannot change between stages of a run")
        self.envs, self.parameters = envs, self._next
        self._actions = self._room()

    def step(self, actions: NDArray[np.integer[Any]]) -> Outcome:
        """Move every world by one step.

        Raises
        ------
        ValueError
            If a world's episode is over.
        """
        if (self._steps >= self.parameters.max_steps).any():
            raise ValueError("a world has ended: restart it first")
        decisions = () if isinstance(self.num_actions, int) else (len(self.num_actions),)
        chosen = whole_actions(actions, (self.num_worlds, *decisions)).reshape(self.num_worlds, -1)
        self._actions[np.arange(self.num_worlds), self._steps] = chosen
        ends = [self._step(world, chosen[world]) for world in range(self.num_worlds)]
        reward, terminated, truncated = (np.array(part) for part in zip(*ends, strict=True))
        self._steps += 1
        self._returns += reward
        late = (self._steps >= self.parameters.max_steps) & ~terminated
        return Outcome(reward.astype(np.float64), terminated, truncated | late)

    def _step(self, world: int, action: NDArray[np.integer[Any]]) -> tuple[float, bool, bool]:
        taken: Any = int(action[0]) if isinstance(self.num_actions, int) else action
        row, reward, terminated, truncated, _ = _parts(self.envs[world].step(taken), "step", 5)
        self._see(world, row, "step")
        return float(reward), bool(terminated), bool(truncated)

    def observation(self) -> NDArray[np.float32]:
        """Return a fresh array of shape (num_worlds, observation_size)."""
        if not self._observe_step:
            return self._rows.copy()
        passed = self._steps / self.parameters.max_steps
        return np.column_stack([self._rows, passed]).astype(np.float32)

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which actions are valid: all of them where the environments do not say."""
        counts = self.num_actions
        width = counts if isinstance(counts, int) else sum(counts)
        own = [getattr(env.unwrapped, "action_masks", None) for env in self.envs]
        if own[0] is None:
            return np.ones((self.num_worlds, width), np.bool_)
        return np.stack([np.asarray(masks(), np.bool_) for masks in own if masks is not None])

    def masked_by(self, env: Environment) -> "ExternalBatch":
        """Return a batch of one world with the action masks of `env`, which the caller steps.

        Raises
        ------
        InputError
            If it has other actions.
        """
        if env.action_space != self.envs[0].action_space:
            raise InputError(
                f"env: its actions are {env.action_space}, those of the run "
                f"{self.envs[0].action_space}; make it with the run's parameters"
            )
        new = copy.copy(self)
        new.num_worlds, new.envs = 1, [env]
        return new

    @property
    def only_valid(self) -> bool:
        """Whether the environments say which actions are valid."""
        return hasattr(self.envs[0].unwrapped, "action_masks")

    def episode_totals(self) -> dict[str, NDArray[np.float64]]:
        """Return ``return`` and ``length`` of the present episodes."""
        return {"return": self._returns.copy(), "length": self._steps.astype(np.float64)}

    def get_state(self) -> dict[str, Any]:
        """Return every world's seed and the actions since."""
        return {
            "parameters": self.parameters,
            "rng": self.rng.bit_generator.state,
            "seeds": self._seeds.copy(),
            "steps": self._steps.copy(),
            "actions": self._actions.copy(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Replay the actions that `get_state` returned; a ValueError if they do not fit."""
        self._next = state["parameters"]
        self._use_next_parameters()
        seeds, steps, actions = (state[name] for name in ("seeds", "steps", "actions"))
        per_world = seeds.shape == steps.shape == (self.num_worlds,)
        if actions.shape != self._actions.shape or not per_world:
            raise ValueError("another number of worlds")
        if not ((steps >= 0) & (steps <= self.parameters.max_steps)).all() or (seeds < 0).any():
            raise ValueError("its worlds' steps or seeds are out of range")
        counts = np.atleast_1d(np.asarray(self.num_actions))
        if ((actions < 0) | (actions >= counts)).any():
            raise ValueError("its worlds' actions are out of range")
        self._begin(np.arange(self.num_worlds), seeds)
        self._actions[...] = actions
        for world, count in enumerate(steps.tolist()):
            for action in actions[world, :count]:
                self._returns[world] += self._step(world, action)[0]
        self._steps[...] = steps
        self.rng.bit_generator.state = state["rng"]

    def fork(self, worlds: NDArray[np.intp], futures: Futures | None = None) -> Fork:
        """Return copies of worlds, made by replaying their actions.

        Raises
        ------
        InputError
            If futures are to be drawn, which a third-party environment does not support.
        """
        if futures is not None:
            raise InputError(NOT_MEMORYLESS)
        new = ExternalBatch(
            self._make,
            self.parameters,
            len(worlds),
            rng=np.random.default_rng(self.rng.integers(MOST_SEED)),
            observe_step=self._observe_step,
        )
        state = {name: value for name, value in self.get_state().items() if name != "rng"}
        copied = {name: state[name][worlds] for name in ("seeds", "steps", "actions")}
        new.set_state({**state, **copied, "rng": new.rng.bit_generator.state})
        return Fork(new, np.arange(len(worlds)))


def _parts(returned: Any, method: str, count: int) -> Any:
    """Return what an environment's method returned, if it has as many parts as in Gymnasium."""
    if not isinstance(returned, tuple) or len(returned) != count:
        found = f"{len(returned)} parts" if isinstance(returned, tuple) else type(returned).__name__
        names = ("observation, info", "observation, reward, terminated, truncated, info")[count > 2]
        raise InputError(f"--env: its {method} must return ({names}), not {found}")
    return returned


def _flat(env: Environment) -> Environment:
    """Return an environment whose observations are vectors."""
    for name in ("observation_space", "action_space"):
        if not isinstance(getattr(env, name, None), spaces.Space):
            raise InputError(f"--env: it has no {name}; give it one of gymnasium.spaces")
    space = env.observation_space
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return env
    if not space.is_np_flattenable:
        raise InputError(
            f"--env: its observations are {space}, which make no vector of one length; give it one "
            "with gymnasium.wrappers.TransformObservation"
        )
    return FlattenObservation(env)


def _action_counts(env: Environment) -> int | tuple[int, ...]:
    space = env.action_space
    if isinstance(space, spaces.Discrete) and space.start == 0:
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1:
        return tuple(int(n) for n in space.nvec)
    raise InputError(
        f"--env: its actions are {space}, and agents here choose among those numbered from 0; "
        "offer a grid of them with gymnasium.wrappers.TransformAction"
    )
