"""Labels of a single store with lost sales and a lead time, by compiled roll-outs.

Its goods may be perishable: then a state holds the stock by age, in place of the units on hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.dcl import kernels, race_kernels
from agents.dcl.halving import Halving
from agents.dcl.kernels import DRAWS, UNKNOWN, Actor, Store
from agents.dcl.labels import Labels
from agents.dcl.rollouts import player_of
from agents.dcl.value_kernels import Values, find_values
from baselines.average_cost import lost_sales_store
from baselines.average_perishable import perishable_store
from baselines.policy import Policy
from baselines.rules.stock_rule import StockLevels
from baselines.solvers.perishable.value_iteration import PerishableStore, packed_store
from baselines.solvers.store.lost_sales_problem import LostSales, order_limits
from common.shards import Report
from common.sharing import map_threads
from envs.batch import Batch
from wrappers.single_agent import ControlledAgents

MAX_BITS = 27
"""Most bits of a state: a table of orders takes at most 256 MB, with values and visits 1.9 GB."""
MAX_STOCK_BITS = 20
"""Most bits of stock by age, so that the table of the stock left takes about as much."""
VISITED_DAYS = 5_000_000
WARMUP_DAYS = 300
SHARD = 64
"""States that one thread labels at a time."""
RULE_ONLY = 1
"""Width of the network of an actor that follows a rule; the network is not used."""


def compiled_store(batch: Batch) -> Store | None:
    """Return the store of a batch for the compiled loops, if they support it.

    They support a single store with lost sales, unlimited supply, stationary integer demand, a lead
    time of a day or more, the full observation, and orders of 0, 1, 2, ... units. Its goods may be
    perishable (`MAX_STOCK_BITS`).
    """
    if not isinstance(batch, ControlledAgents) or batch.player != "store":
        return None
    p = batch.parameters
    store = lost_sales_store(p) or perishable_store(p)
    if store is None or store.lead_time < 1 or p.observation != "full" or p.limited:
        return None
    units = p.lanes()[0].store.order_units
    if units is None or units != tuple(range(len(units))):
        return None
    if isinstance(store, PerishableStore):
        return _perishable(store)
    made = _store(store, len(units))
    return made if _bits(made) <= MAX_BITS else None


def _bits(store: Store) -> int:
    """Return the number of bits of a state."""
    return store.on_hand_bits + store.order_bits * store.ahead


def _demand_at(law: NDArray[np.float64]) -> NDArray[np.int16]:
    """Return the quantiles of demand that are drawn."""
    middle = (np.arange(DRAWS) + 0.5) / DRAWS
    demand = np.searchsorted(np.cumsum(law), middle)
    return np.minimum(demand, law.size - 1).astype(np.int16)


def _store(store: LostSales, num_orders: int) -> Store:
    limits = order_limits(store)
    on_hand_bits = max(int(limits[-1]), num_orders - 1).bit_length()
    return Store(
        on_hand_bits=on_hand_bits,
        order_bits=(num_orders - 1).bit_length(),
        ahead=store.lead_time - 1,
        stock_bits=on_hand_bits,
        num_orders=num_orders,
        fixed_cost=float(store.fixed_cost),
        unit_cost=0.0,
        day_costs=store.day_costs(1 << on_hand_bits),
        demand_at=_demand_at(store.law),
        left=np.zeros((0, 0), np.int32),
    )


def _perishable(store: PerishableStore) -> Store | None:
    """Return a store with perishable goods; the units of an age never exceed the largest order."""
    bits, life = store.largest_order.bit_length(), store.shelf_life
    ahead = life + store.lead_time - 2
    if bits * life > MAX_STOCK_BITS or bits * (1 + ahead) > MAX_BITS:
        return None
    demand = _demand_at(store.law)
    costs, left = packed_store(store, bits, int(demand.max()) + 1)
    return Store(
        on_hand_bits=bits,
        order_bits=bits,
        ahead=ahead,
        stock_bits=bits * life,
        num_orders=store.largest_order + 1,
        fixed_cost=float(store.fixed_cost),
        unit_cost=float(store.unit_cost),
        day_costs=costs,
        demand_at=demand,
        left=left,
    )


def table_of(store: Store) -> NDArray[np.int16]:
    """Return an empty table of orders."""
    return np.full(1 << _bits(store), UNKNOWN, np.int16)


def entries_of(store: Store) -> tuple[str, ...]:
    """Return the entries of the full observation that hold the numbers of a state, in its order."""
    ages = store.stock_bits // store.order_bits if store.left.size else 1
    stock = [f"expires_{k + 1}" for k in range(ages)] if store.left.size else ["on_hand"]
    return (*stock, *(f"pipeline_{k + 1}" for k in range(store.ahead + 1 - ages)))


def rule_actor(store: Store, rule: StockLevels) -> Actor:
    """Return a rule of stock levels as an actor."""
    far = 1 << 30
    level, point, cap = (
        int(min(float(rule.values[name]), far)) for name in ("level", "reorder_point", "cap")
    )
    none = np.zeros((RULE_ONLY, RULE_ONLY), np.float32)
    weights = (none, none[0], none, none[0], none, none[0])
    return Actor(table_of(store), True, level, point, cap, *weights)


def network_actor(store: Store, policy: Any, columns: Sequence[int], unit: float) -> Actor:
    """Return the actor of an actor-critic policy, fed with units in place of observations.

    Parameters
    ----------
    store : Store
        The store.
    policy : ActorCriticPolicy
        Two hidden layers with ReLUs.
    columns : sequence of int
        Columns of the observation with each number of a state (`entries_of`).
    unit : float
        Divisor of the observation [units].
    """
    first, second = (policy.mlp_extractor.policy_net[i] for i in (0, 2))
    arrays = []
    for layer in (first, second, policy.action_net):
        weight, bias = (x.detach().cpu().numpy().astype(np.float32) for x in layer.parameters())
        weight = weight[:, list(columns)] / np.float32(unit) if layer is first else weight
        arrays += [np.ascontiguousarray(weight.T), np.ascontiguousarray(bias)]
    return Actor(table_of(store), False, 0, 0, 0, *arrays)


@dataclass(frozen=True)
class Visits:
    """How states are found: their number, the share of orders perturbed, and the most by which."""

    states: int
    moved_share: float
    moved_by: int


@dataclass(frozen=True)
class Races:
    """The data shared by the races of all states of a generation.

    Attributes
    ----------
    store, actor : Store, Actor
        The store, and the policy that decides in it.
    values : Values
        Relative values of the actor's future costs.
    most, days : int
        The largest order that may be best, and the longest path.
    halving : Halving
        Settings of sequential halving.
    """

    store: Store
    actor: Actor
    values: Values
    most: int
    days: int
    halving: Halving

    def __getstate__(self) -> dict[str, Any]:
        """Omit large tables that are filled on demand, except known values."""
        known = np.flatnonzero(self.values.value)
        values = known, self.values.value[known], self.values.chances, self.values.quadratic
        return {**vars(self), "actor": tuple(self.actor)[1:], "values": values}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what `__getstate__` returned."""
        actor = Actor(table_of(state["store"]), *state["actor"])
        known, value, chances, quadratic = state["values"]
        empty = np.zeros((2, actor.table.size), np.float32)
        values = Values(empty[0], empty[1], chances, quadratic)
        values.value[known] = value
        vars(self).update(state, actor=actor, values=values)


def race(
    races: Races, shard: tuple[NDArray[np.int64], NDArray[np.uint64]], report: Report
) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
    """Let all orders of some states race.

    Parameters
    ----------
    races : Races
        The data that all states share.
    shard : tuple of ndarray
        The states, shape (n,), and a seed for each.
    report : callable
        Not called: a race takes only a moment.

    Returns
    -------
    losses, certain, steps
        As in `agents.dcl.labels.Labels`.
    """
    del report
    states, seeds = shard
    losses, certain = (
        np.empty((states.size, races.store.num_orders)),
        np.empty(states.size, np.bool_),
    )
    steps = race_kernels.race(
        races.store,
        races.actor,
        races.values,
        np.array(states),
        np.array(seeds),
        races.most,
        races.days,
        np.array(races.halving.paths),
        np.array(races.halving.keep),
        races.halving.errors,
        losses,
        certain,
    )
    return losses, certain, int(steps)


class StoreLabeller:
    """A labeller of states of a single store.

    Parameters
    ----------
    batch : ControlledAgents
        The batch of the store.
    store : Store
        Result of `compiled_store`.
    visits : Visits
        How states are found.
    halving : Halving
        Settings of sequential halving.
    days : int
        Longest path [days].
    workers : int
        Number of threads.
    """

    def __init__(
        self,
        batch: ControlledAgents,
        store: Store,
        visits: Visits,
        halving: Halving,
        days: int,
        workers: int,
    ) -> None:
        self._batch, self._store, self._visits, self._halving = batch, store, visits, halving
        self._days, self._workers = days, workers
        names = batch.chain.observation_names["store"]
        self.columns = [names.index(name) for name in entries_of(store)]
        self._unseen = tuple(i for i in range(len(names)) if i not in self.columns)
        self._unit = float(batch.parameters.mean_demand().flat[0])
        known = lost_sales_store(batch.parameters)  # None if perishable: any order may be best
        self._most = int(order_limits(known)[0]) if known else store.num_orders - 1
        self._most = min(self._most, store.num_orders - 1)

    def actor(self, policy: Any, rule: Policy | None) -> Actor:
        """Return the actor that decides: the rule if there is one, else the policy's network."""
        own = player_of(rule, self._batch) if rule is not None else None
        if isinstance(own, StockLevels):
            return rule_actor(self._store, own)
        return network_actor(self._store, policy, self.columns, self._unit)

    def decide(self, actor: Actor, states: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the actor's orders in states, shape (n,)."""
        return np.array([kernels.order_of(self._store, actor, int(s)) for s in states], np.int64)

    def visited(self, actor: Actor, seed: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the states that the actor visits, and their numbers of visits."""
        visits = np.zeros(actor.table.size, np.int32)
        v = self._visits
        kernels.visit(
            self._store, actor, VISITED_DAYS, WARMUP_DAYS, v.moved_share, v.moved_by, seed, visits
        )
        found = np.flatnonzero(visits)
        return found, visits[found].astype(np.float64)

    def drawn(
        self, states: NDArray[np.int64], counts: NDArray[np.float64], seed: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the states to label, drawn in proportion to their visits, and their visits."""
        v, found = self._visits, states
        if found.size > v.states:  # exponential clocks: drawn by weight, without replacement
            clocks = np.random.default_rng(seed).exponential(size=found.size) / counts
            first = np.sort(np.argsort(clocks, kind="stable")[: v.states])
            found, counts = found[first], counts[first]
        return found, counts

    def observe(self, states: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the agent's observations in states, except columns that it must ignore."""
        seen = np.zeros((states.size, len(self.columns) + len(self._unseen)), np.float32)
        s = self._store
        seen[:, self.columns[0]] = (states & ((1 << s.on_hand_bits) - 1)) / self._unit
        rest = states >> s.on_hand_bits
        for column in self.columns[1:]:
            seen[:, column] = (rest & ((1 << s.order_bits) - 1)) / self._unit
            rest >>= s.order_bits
        return seen

    def label(
        self, policy: Any, rule: Policy | None, seed: int
    ) -> tuple[Labels, NDArray[np.int64]]:
        """Return the labels of a generation, and its policy's orders in the same states.

        Parameters
        ----------
        policy : ActorCriticPolicy
            The current network.
        rule : Policy or None
            The rule that decides in its place, if any.
        seed : int
            Seed of all randomness, not 0.
        """
        actor = self.actor(policy, rule)
        visited, visits = self.visited(actor, seed)
        values = find_values(self._store, actor, visited, visits)
        states, counts = self.drawn(visited, visits, seed)
        losses = np.empty((states.size, self._store.num_orders))
        certain = np.empty(states.size, np.bool_)
        seeds = np.random.default_rng(seed).integers(1, 2**63, states.size, np.uint64)
        races = Races(self._store, actor, values, self._most, self._days, self._halving)
        parts = [slice(first, first + SHARD) for first in range(0, states.size, SHARD)]
        raced = map_threads(race, races, [(states[at], seeds[at]) for at in parts], self._workers)
        for at, (lost, sure, _) in zip(parts, raced, strict=True):
            losses[at], certain[at] = lost, sure
        steps = sum(taken for _, _, taken in raced)
        labels = Labels(
            self.observe(states),
            losses,
            np.sqrt(counts),
            -values.value[states].astype(np.float64),
            certain,
            steps,
            sums=tuple(self.columns),
            unseen=self._unseen,
        )
        return labels, self.decide(actor, states)
