"""The policy of a run for code that steps the environment: raw observations in, actions out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents import run_folder
from agents.algorithms import ALGORITHMS
from agents.config import RunConfig
from agents.tuned_file import recommended_rule
from baselines.multi_agent import TeamPolicy, columns_of, tier_of
from baselines.policy import Policy
from baselines.rules.offset import OffsetPolicy
from common.errors import InputError, choose
from envs.batch import Batch
from envs.cash.batch import CashBatch
from envs.external.batch import ExternalBatch
from envs.supply_chain.batch import SupplyChainBatch
from training.learners.load import load_agent

Rows = NDArray[np.float32]


class Memory(NamedTuple):
    """What a policy carries from step to step: steps of each world's episode, hidden states."""

    steps: NDArray[np.int64]
    hidden: Any


def load(run: str | Path = run_folder.NEWEST) -> "LoadedPolicy":
    """Return the policy of a run, for the environment's own observations.

    Parameters
    ----------
    run : str or Path
        A run folder, which stands for the best model of every player in its last phase, or for the
        rule that `recommend.py` chose; or a ``model.zip`` or ``best_model.zip`` in one. By default
        the newest run under ``runs/``.

    Raises
    ------
    InputError
        If it is not a run, or one of its files is missing or damaged.

    Examples
    --------
    ::

        policy = load("runs/first")
        print(policy)  # which model it took
        observation, _ = env.reset()
        action, _ = policy.predict(observation)
    """
    folder, name = run_folder.find(str(run))
    advice = None if Path(run).is_file() else recommended_rule(folder)
    if advice is not None:
        config = run_folder.read_config(folder)
        return LoadedPolicy(config, advice.rule(config.parameters), {})
    config, policy = load_agent(folder, name)
    models = {
        player: path / run_folder.model_of(path, name)
        for player, path in run_folder.players(folder).items()
    }
    return LoadedPolicy(config, policy, models)


class LoadedPolicy:
    """A run's policy, with normalisation, step number, action masks and hidden states inside.

    Parameters
    ----------
    config : RunConfig
        Configuration of the run.
    policy : Policy
        As returned by `training.learners.load.load_agent`, or a rule.
    models : mapping
        The models' files, by player; empty for a rule. The only player of a problem with one agent
        is ``""``.
    """

    def __init__(self, config: RunConfig, policy: Policy, models: Mapping[str, Path]) -> None:
        self.config, self.models = config, dict(models)
        self._whole = self._policy = policy
        if isinstance(policy, TeamPolicy):  # its rules need worlds to read: see `bind`
            self._policy = TeamPolicy({name: policy.players[name] for name in models}, policy.joint)
        self._batch = self._make_batch(1)
        self._bound = False
        self.reset()

    def __repr__(self) -> str:
        """Say which models it took, or which rule."""
        named = [f"{name}: {path}" if name else str(path) for name, path in self.models.items()]
        return f"{type(self).__name__}({', '.join(named) or repr(self._whole)})"

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """Keywords of the run's environment: its parameters, and `observe_step` if the run has it.

        The environment takes quantities, even if the run's stores choose offsets to a rule.
        """
        parameters = self.config.parameters
        if isinstance(self._batch, ExternalBatch):
            return dict(parameters.keywords())
        values = {**parameters.model_dump(), "observe_step": self.config.settings.observation.step}
        if isinstance(self._batch, SupplyChainBatch):
            for own in (values, *values["sku"]):
                own["store"].pop("action", None)
        return values

    def bind(self, env: Any) -> None:
        """Let the run's rules play the agents without a model, by the state of `env`.

        A rule that orders in units places its orders in `env` itself, whose next step takes them
        instead of the stores' actions. If an environment of your own has `action_masks()`, its
        masks say which actions are valid.

        Raises
        ------
        InputError
            If it belongs to another problem, or its observations, or the actions of an environment
            of your own, differ from the run's.
        """
        if isinstance(self._batch, ExternalBatch):
            self._batch = self._batch.masked_by(env)
            self._bound = True
            return
        batch = getattr(getattr(env, "unwrapped", env), "batch", None)
        wanted = self._batch.observation_size
        if not isinstance(batch, type(self._batch)):
            raise InputError(
                f"env: {type(env).__name__} is no environment of the {self.config.problem.name} "
                "problem; make it with `env_kwargs` of the policy"
            )
        if batch.observation_size != wanted:
            raise InputError(
                f"env: its observations have {batch.observation_size} entries, those of the run "
                f"{wanted}; make it with `env_kwargs` of the policy"
            )
        self._batch, self._policy, self._bound = batch, self._whole, True

    def reset(self) -> None:
        """Begin a new episode: the next `predict` without a `state` is its first step."""
        self._memory: Memory | None = None

    def predict(
        self,
        observation: Any,
        state: Memory | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Any, Memory]:
        """Return the actions for raw observations, and the state to pass to the next call.

        Parameters
        ----------
        observation : ndarray or mapping
            The environment's observation, shape (size,), or (episodes, size) for several at once;
            in the supply chain a mapping of agents to such arrays.
        state : Memory, optional
            The state that the last call returned. Without it the policy goes on from its last call,
            or begins after `reset`.
        episode_start : array_like of bool, optional
            Which episodes have just begun, shape (episodes,).
        deterministic : bool
            Take the best action instead of sampling one.

        Returns
        -------
        action, state
            One action per observation, by agent where the observations are.

        Raises
        ------
        InputError
            If the observations do not fit the run's problem, an agent has no model, or the episode
            should have ended.
        """
        agents = observation if isinstance(observation, Mapping) else {"": observation}
        seen = {agent: np.asarray(rows, np.float32) for agent, rows in agents.items()}
        shape = next(iter(seen.values())).shape[:-1] if seen else ()
        places = self._places(seen)
        batch = self._worlds(int(np.prod(shape)))
        if not self._bound and ALGORITHMS[self.config.settings.algo].masks:
            _refuse_unseen_masks(batch)
        memory, starts = self._begun(batch.num_worlds, state, episode_start)
        rows = self._rows(batch, seen, places, memory.steps)
        self._policy.bind(batch)
        actions, hidden = self._policy.predict(rows, memory.hidden, starts, deterministic)
        self._memory = Memory(memory.steps + 1, hidden)
        chosen = {agent: np.asarray(actions)[at].reshape(shape)[()] for agent, at in places.items()}
        return chosen if agents is observation else chosen[""], self._memory

    def _make_batch(self, worlds: int) -> Batch:
        c = self.config
        step = c.settings.observation.step
        return c.problem.make_batch(c.parameters, worlds, observe_step=step)

    def _places(self, seen: Mapping[str, Rows]) -> dict[str, Any]:
        """Return the position of each agent's action: its worlds, and in a team its column."""
        team = self._policy if isinstance(self._policy, TeamPolicy) else None
        if (team is None) != ("" in seen):
            wanted = "an array" if team is None else "a mapping of agents to arrays"
            raise InputError(f"observation: must be {wanted}, as the run's environment gives it")
        if team is None:
            return {"": slice(None)}
        everywhere = self._agents()
        played = {c for name in team.players for c in self._columns(name)}
        for agent in seen:
            choose("agent", agent, everywhere)
            if everywhere[agent][1] not in played:
                raise InputError(
                    f"agent {agent!r} has no model in this run; call bind(env) of the policy, so "
                    "that its rule plays, or leave the agent out"
                )
        stores = {agent for agent in everywhere if "store_" in agent}
        if team.joint and 0 < len(stores & seen.keys()) < len(stores):
            raise InputError("observation: the stores decide together, so it must hold all of them")
        if not self._bound and any(isinstance(p, OffsetPolicy) for p in team.players.values()):
            raise InputError(
                "the run's stores choose offsets to a rule, which needs their worlds to read: call "
                "bind(env) of the policy first"
            )
        return {agent: everywhere[agent] for agent in seen}

    def _agents(self) -> dict[str, tuple[slice, int]]:
        """Return the worlds and the column of every agent, as `SupplyChainEnv` names them."""
        skus, n = len(self.config.parameters.sku), self.config.parameters.num_stores
        names = [*(f"store_{i + 1}" for i in range(n)), "warehouse", "supplier"]
        lanes = [f"sku_{k + 1}/" for k in range(skus)] if skus > 1 else [""]
        return {
            lane + name: (slice(k, None, skus), column)
            for k, lane in enumerate(lanes)
            for column, name in enumerate(names)
        }

    def _columns(self, player: str) -> list[int]:
        columns: list[int] = columns_of(player, self.config.parameters.num_stores).tolist()
        return columns

    def _worlds(self, episodes: int) -> Batch:
        """Return the observed worlds, or as many worlds to hold the state that the policy reads."""
        team = isinstance(self._policy, TeamPolicy)
        worlds = episodes * (len(self.config.parameters.sku) if team else 1)
        if worlds != self._batch.num_worlds:
            if self._bound:
                raise InputError(
                    f"observation: of {worlds} worlds, and the environment that the policy is "
                    f"bound to has {self._batch.num_worlds}"
                )
            self._batch = self._make_batch(worlds)
        return self._batch

    def _begun(
        self, worlds: int, state: Memory | None, episode_start: Any
    ) -> tuple[Memory, NDArray[np.bool_]]:
        """Return the memory of every world, and which of them begin an episode."""
        memory = self._memory if state is None else state
        if memory is None or len(memory.steps) != worlds:
            return Memory(np.zeros(worlds, np.int64), None), np.ones(worlds, np.bool_)
        starts = np.zeros(worlds, np.bool_)
        if episode_start is not None:
            given = np.atleast_1d(np.asarray(episode_start, np.bool_))
            starts = np.repeat(given, worlds // len(given))
        steps, most = np.where(starts, 0, memory.steps), self.config.parameters.max_steps
        if self.config.settings.observation.step and (steps >= most).any():
            raise InputError(
                f"the episode of {most} steps is over: call reset() of the policy at the start of "
                "the next one, or pass episode_start"
            )
        return Memory(steps, memory.hidden), starts

    def _rows(
        self,
        batch: Batch,
        seen: Mapping[str, Rows],
        places: Mapping[str, Any],
        steps: NDArray[np.int64],
    ) -> Rows:
        """Return the observations as rows of a batch, with the step where the run observes it.

        Agents that are left out see zeros.
        """
        timed = self.config.settings.observation.step
        passed = (
            (steps / self.config.parameters.max_steps)[:, None]
            if timed
            else np.empty((len(steps), 0))
        )
        rows = np.zeros((batch.num_worlds, batch.observation_size), np.float32)
        if not isinstance(batch, SupplyChainBatch):
            _fill(rows, "observation", seen[""], passed)
            if isinstance(batch, CashBatch) and not self._bound:
                batch.show(rows)
            return rows
        tiers = batch.by_tier(rows)
        for agent, (worlds, column) in places.items():
            tier = tier_of(agent.rpartition("/")[2])
            room = tiers[tier][worlds, column] if tier == "store" else tiers[tier][worlds]
            _fill(room, agent, seen[agent], passed[worlds])
        return rows


def _refuse_unseen_masks(batch: Batch) -> None:
    """Refuse to act without masks that only the stepped environment can give."""
    if isinstance(batch, ExternalBatch) and batch.only_valid:
        raise InputError(
            "the environment itself says which actions are valid: call bind(env) of the policy "
            "first, with the environment that you step"
        )


def _fill(room: Rows, agent: str, seen: Rows, passed: NDArray[np.float64]) -> None:
    """Write an agent's observation into `room`, adding the share of the episode where it lacks.

    Raises
    ------
    InputError
        If the observation has another size, or is not finite.
    """
    count, size = room.shape
    rows = seen.reshape(-1, seen.shape[-1]) if seen.ndim else seen.reshape(1, 1)
    if rows.shape == (count, size - passed.shape[1]):
        rows = np.hstack([rows, passed])
    if rows.shape != room.shape:
        raise InputError(f"{agent}: has shape {seen.shape}, and the run's has {size} entries")
    if not np.isfinite(rows).all():
        raise InputError(f"{agent}: holds {rows[~np.isfinite(rows)][0]}; must be finite numbers")
    room[...] = rows
