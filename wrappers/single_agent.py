"""Agents of the supply chain as a flat batch for one learner, while a team plays all others.

SB3 works on rows of one observation and one action each. Three layouts make rows of agents:

* ``"shared"``: every agent of every world is a row, so one policy serves them all;
* ``"joint"``: every world is a row, observations side by side, one action per agent;
* ``"flat"``: as joint, with the combinations of actions numbered from 0, for algorithms that
  support a single discrete action only.
"""

import copy
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from baselines.multi_agent import TeamPolicy, columns_of, rows_of
from baselines.policy import Policy
from baselines.rules.offset import OffsetOrders
from common.errors import InputError
from envs.batch import Fork, Futures, Outcome, whole_actions
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.metrics import store_returns, tier_metrics

Layout = Literal["shared", "joint", "flat"]
MAX_FLAT_ACTIONS = 4096


class ControlledAgents:
    """The agents that one learner controls (implements `envs.batch.Batch`).

    Parameters
    ----------
    chain : SupplyChainBatch
        The worlds; they belong to this batch alone.
    player : str
        ``"store"`` for all stores, ``"store_1"`` ... for a single one, ``"warehouse"`` or
        ``"supplier"``.
    others : TeamPolicy
        Plays all agents that are not controlled; its actions for the controlled ones are replaced.
    layout : {"shared", "joint", "flat"}
        How agents become rows.
    offsets : OffsetOrders, optional
        Turns the learner's choices, offsets to the level of a rule, into the stores' actions;
        without it the choices are the actions.
    system : bool
        Whether every row gets the sum of the rewards of all agents of its world, not its own.

    Attributes
    ----------
    finished_metrics : dict of float
        Means of the last finished episodes by ``tier/name``
        (`envs.supply_chain.metrics.tier_metrics`).

    Raises
    ------
    InputError
        If the flat layout would have more than 4,096 actions.
    """

    def __init__(
        self,
        chain: SupplyChainBatch,
        player: str,
        others: TeamPolicy,
        layout: Layout = "shared",
        offsets: OffsetOrders | None = None,
        system: bool = False,
    ) -> None:
        self.chain, self.player, self.others, self.layout = chain, player, others, layout
        self.system = system
        self.offsets = offsets.bound(chain) if offsets is not None else None
        self._columns = columns_of(player, chain.num_stores)
        agents = len(self._columns)
        self.rows_per_world = agents if layout == "shared" else 1
        self.num_worlds = chain.num_worlds * self.rows_per_world
        self._counts = tuple(chain.num_actions[c] for c in self._columns)
        if self.offsets is not None:
            self._counts = (len(self.offsets.offsets),) * agents
        self.num_actions: int | tuple[int, ...] = self._counts
        if layout == "shared":
            self.num_actions = self._counts[0]
        elif layout == "flat":
            self.num_actions = self._check_flat()
        self.finished_metrics: dict[str, float] = {}
        self._seen = chain.observation()
        self.observation_size = self._rows().shape[1]
        self._memory: Any = None
        self._start = np.ones(chain.num_worlds, np.bool_)

    def _check_flat(self) -> int:
        combinations = int(np.prod(np.array(self._counts, dtype=np.float64)))
        if combinations > MAX_FLAT_ACTIONS:
            raise InputError(
                f"policy = joint: {len(self._counts)} agents with {self._counts[0]} actions each "
                f"make {combinations:,} combinations, and this algorithm takes at most "
                f"{MAX_FLAT_ACTIONS:,}; use --policy shared, fewer stores, or --algo ppo"
            )
        return combinations

    @property
    def parameters(self) -> Any:
        """The supply chain's parameters."""
        return self.chain.parameters

    @property
    def rng(self) -> np.random.Generator:
        """Generator of traces."""
        return self.chain.rng

    @rng.setter
    def rng(self, generator: np.random.Generator) -> None:
        self.chain.rng = generator

    @property
    def expected_reward(self) -> bool:
        """Whether rewards are expectations."""
        return self.chain.expected_reward

    @property
    def observation_low(self) -> float:
        """Lower bound of every entry of an observation."""
        return self.chain.observation_low

    def reset(self, trace: Mapping[str, Any] | None = None) -> None:
        """Start a new episode in every world, on `trace` (first axis = world) or a drawn one."""
        before = self.chain.parameters
        self.chain.reset(trace)
        self.others.bind(self.chain)
        if self.offsets is not None and self.chain.parameters is not before:
            self.offsets = self.offsets.bound(self.chain)
        self._seen = self.chain.observation()
        self._memory, self._start = None, np.ones(self.chain.num_worlds, np.bool_)

    def restart(self, worlds: NDArray[np.intp]) -> None:
        """Start a new episode; `worlds` are rows, and all of them end together."""
        if len(worlds) != self.num_worlds:
            raise ValueError(f"all {self.num_worlds} rows start together, not {len(worlds)}")
        self.finished_metrics = self._metrics()
        self.reset()

    def _metrics(self) -> dict[str, float]:
        days = max(1, self.chain.day - self.parameters.warmup_days)
        perishable = self.parameters.longest_shelf_life > 0
        return tier_metrics(self.chain.sites, self.chain.hubs, days, perishable=perishable)

    def change_parameters(self, parameters: Any) -> None:
        """Use other parameters from the next episode on."""
        self.chain.change_parameters(parameters)

    def step(self, actions: NDArray[np.integer[Any]]) -> Outcome:
        """Move every world by one day; the team decides for the agents that are not controlled."""
        everyone, self._memory = self.others.predict(self._seen, self._memory, self._start)
        decisions = () if isinstance(self.num_actions, int) else (len(self.num_actions),)
        chosen = whole_actions(actions, (self.num_worlds, *decisions))
        everyone[:, self._columns] = self._per_agent(chosen)
        reward, _, over = self.chain.step(everyone)
        self._start = np.zeros(self.chain.num_worlds, np.bool_)
        self._seen = self.chain.observation()
        own = self._of_rows(reward)
        truncated = np.repeat(over, self.rows_per_world)
        return Outcome(own, np.zeros(self.num_worlds, np.bool_), truncated)

    def _of_rows(self, returns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the rows' rewards, shape (num_worlds,), from the agents', (worlds, agents)."""
        if self.system:
            return np.repeat(returns.sum(axis=1), self.rows_per_world)
        own: NDArray[np.float64] = returns[:, self._columns]
        return own.reshape(-1) if self.layout == "shared" else own.mean(axis=1)

    def _per_agent(self, actions: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        """Return the controlled agents' actions, shape (worlds, agents)."""
        if self.layout == "flat":
            actions = np.stack(np.unravel_index(actions, self._counts), axis=1)
        chosen = actions.reshape(self.chain.num_worlds, len(self._columns))
        if self.offsets is None:
            return chosen
        return self.offsets.actions_of(self._columns, chosen)

    def _rows(self) -> NDArray[np.float32]:
        tiers = self.chain.by_tier(self._seen)
        return rows_of(tiers, self.player, self._columns, joint=self.layout != "shared")

    def observation(self) -> NDArray[np.float32]:
        """Return a fresh array of shape (num_worlds, observation_size)."""
        return self._rows().copy()

    def action_masks(self) -> NDArray[np.bool_]:
        """Return True for every action, shape (num_worlds, number of actions)."""
        counts = self.num_actions
        width = counts if isinstance(counts, int) else sum(counts)
        return np.ones((self.num_worlds, width), np.bool_)

    def episode_totals(self) -> dict[str, NDArray[np.float64]]:
        """Return ``return`` and ``length`` of the current episode, by row."""
        c = self.chain
        columns = [*store_returns(c.sites).values(), c.hubs["total_return"]]
        own = self._of_rows(np.stack([*columns, c.hubs["supplier_return"]], axis=1))
        return {"return": own, "length": np.full(self.num_worlds, float(c.day))}

    def get_state(self) -> dict[str, Any]:
        """Return everything that the future depends on, except the team's policies."""
        return {"chain": self.chain.get_state(), "memory": self._memory, "start": self._start}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `get_state` returned."""
        self.chain.set_state(state["chain"])
        self.others.bind(self.chain)
        self.offsets = self.offsets.bound(self.chain) if self.offsets is not None else None
        self._memory, self._start = state["memory"], state["start"]
        self._seen = self.chain.observation()

    @property
    def memoryless(self) -> bool:
        """Whether demand comes from a law, not from a file."""
        return self.chain.memoryless

    @property
    def only_valid(self) -> bool:
        """Whether random play keeps to valid actions."""
        return self.chain.only_valid

    def fork(self, worlds: NDArray[np.intp], futures: Futures | None = None) -> Fork:
        """Return copies of rows, each within a copy of its whole world.

        Where a world has several rows, its other agents are rows of the copy too.
        """
        whole = worlds // self.rows_per_world
        new = copy.copy(self)
        chain: Any = self.chain.fork(whole, futures).batch
        new.chain, new.others = chain, copy.copy(self.others)
        new.num_worlds = len(worlds) * self.rows_per_world
        new.others.bind(chain)
        new.offsets = self.offsets.bound(chain) if self.offsets is not None else None
        new._memory, new._start = _checked_memory(self._memory), self._start[whole]
        new._seen = self._seen[whole]
        own = np.arange(len(worlds)) * self.rows_per_world + worlds % self.rows_per_world
        return Fork(new, own)


def _checked_memory(memory: Any) -> Any:
    """Return the hidden states of copies of worlds; only policies without any can be forked."""
    if any(state is not None for state in dict(memory or {}).values()):
        raise InputError("a recurrent policy among the others: its worlds cannot be forked")
    return memory


class FlatJointPolicy:
    """Present a policy that chooses numbered combinations of actions as one of actions.

    Parameters
    ----------
    policy : Policy
        Policy that returns numbers from 0, shape (num_worlds,).
    counts : tuple of int
        Number of actions of every agent.
    """

    def __init__(self, policy: Policy, counts: tuple[int, ...]) -> None:
        self._policy, self._counts = policy, counts

    def bind(self, batch: Any) -> None:
        """Act on `batch` from now on."""
        self._playing = copy.copy(self._policy)
        self._playing.bind(batch)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Any, Any]:
        """Return actions of shape (num_worlds, agents) and the policy's hidden state."""
        chosen, state = self._playing.predict(observation, state, episode_start, deterministic)
        return np.stack(np.unravel_index(chosen, self._counts), axis=-1), state
