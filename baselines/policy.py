"""The contract of every policy: SB3's own `predict`, on batches."""

import importlib.util
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from envs.batch import Batch, random_actions

Actions = NDArray[np.integer[Any]]


Role = Literal["agent", "rule", "tuned_rule", "optimum", "random", "past_orders"]


@dataclass(frozen=True)
class PolicyKind:
    """The kind of a policy, whatever its name.

    Attributes
    ----------
    role : str
        A trained agent, a rule with fixed or with tuned parameters, the optimal policy, random
        play, or the orders actually placed in the past.
    any_quantity : bool
        Whether its stores order any quantity, on offer or not.
    package : str
        The optional package that it needs, empty if none.
    """

    role: Role
    any_quantity: bool = False
    package: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether the package that it needs is installed."""
        return not self.package or importlib.util.find_spec(self.package) is not None

    @property
    def is_rival(self) -> bool:
        """Whether it is a rule that could be followed instead of an agent."""
        return self.role in ("rule", "tuned_rule") and not self.any_quantity


AGENT, RULE, TUNED_RULE = PolicyKind("agent"), PolicyKind("rule"), PolicyKind("tuned_rule")
BOOSTED_RULE = PolicyKind("rule", package="lightgbm")
BOOSTED_TUNED_RULE = PolicyKind("tuned_rule", package="lightgbm")
OPTIMUM, RANDOM = PolicyKind("optimum"), PolicyKind("random")
PAST_ORDERS = PolicyKind("past_orders", any_quantity=True)


class Policy(Protocol):
    """Anything that chooses actions for a batch of worlds: an agent, a rule, the optimum."""

    def bind(self, batch: Batch) -> None:
        """Act on this batch from now on; called before each roll-out, it forgets the last one.

        A policy that contains others binds copies of them: `copy.copy(policy)` may then be bound to
        a batch of its own, also by another thread.
        """

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Any, Any]:
        """Return actions as `Batch.step` takes them and the next recurrent state (None without)."""


class Rule(ABC):
    """A policy that needs nothing but the state of its batch: no observation and no memory."""

    blind = True

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        self._batch = batch

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Actions, None]:
        """Return the `actions` of this moment; `observation` may be None."""
        return self.actions(), None

    @abstractmethod
    def actions(self) -> Actions:
        """Return one action per row, read from the state of the batch."""


class RandomPolicy(Rule):
    """Every action equally likely, valid or not (`envs.batch.random_actions`).

    Parameters
    ----------
    seed : int, SeedSequence or Generator
        Seed of the actions, which are the same again after each `bind`; or their generator.
    """

    def __init__(self, seed: int | np.random.SeedSequence | np.random.Generator = 0) -> None:
        self._seed = seed

    def of_chunk(self, chunk: int) -> "RandomPolicy":
        """Return random play with other actions for every chunk of episodes."""
        return RandomPolicy(seed_of_chunk(self._seed, chunk))

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        super().bind(batch)
        self._rng = np.random.default_rng(self._seed)

    def actions(self) -> Actions:
        """Return uniformly drawn actions."""
        return random_actions(self._batch, self._rng)


def is_blind(policy: Policy) -> bool:
    """Whether a policy does without observations, so that they need not be computed."""
    return bool(getattr(policy, "blind", False))


def of_chunk(policy: Policy, chunk: int) -> Policy:
    """Return a policy for one chunk of episodes; random actions differ between chunks."""
    make = getattr(policy, "of_chunk", None)
    return policy if make is None else make(chunk)


def seed_of_chunk(seed: Any, chunk: int) -> Any:
    """Return the seed of a policy in a chunk; in the first one it is the policy's own."""
    fixed = chunk == 0 or isinstance(seed, np.random.Generator)
    return seed if fixed else np.random.SeedSequence(seed, spawn_key=(chunk,))
