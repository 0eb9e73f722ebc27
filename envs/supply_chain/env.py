"""The PettingZoo environment of the supply chain: stores, a warehouse and a supplier."""

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from common.errors import InputError, choose, short, validated
from common.random_streams import Split
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.observation import TIERS, Tier
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.render import History, chain_picture, chain_text

Observation = NDArray[np.float32]
Infos = dict[str, dict[str, Any]]
Ends = dict[str, bool]


def _trace_option(options: Mapping[str, Any] | None) -> Any:
    """Return the trace; refuse its misspellings, ignore options meant for others."""
    for name in options or {}:
        if name != "trace" and difflib.get_close_matches(name, ["trace"]):
            choose("reset option", name, ["trace"])
    return (options or {}).get("trace")


class SupplyChainEnv(ParallelEnv[str, Observation, np.int64]):  # type: ignore[misc]  # untyped base
    """A supplier serves a warehouse, which serves N stores; each of them is an agent.

    ## Description
    Customers come to the stores; demand that a store cannot meet at once is lost, or backlogged
    (``store={"unmet_demand": "backlog"}``). Stores order from the warehouse, the warehouse from the
    supplier, and goods take days to arrive. Each SKU is a world of its own with its own parameters;
    several SKUs run side by side.

    The agents are ``store_1`` ... ``store_N``, ``warehouse`` and ``supplier``. With several SKUs
    there is one set for each: ``sku_1/store_1`` ... ``sku_1/supplier``, ``sku_2/store_1`` ...

    ## Action Space
    | agent     | space         | actions (by default)                                             |
    |-----------|---------------|------------------------------------------------------------------|
    | store     | `Discrete(4)` | order 0, 0.5, 1 or 1.5 times its forecast                        |
    | warehouse | `Discrete(4)` | order 0, 500, 1000 or 1500 units, times N/3                      |
    | supplier  | `Discrete(3)` | ship in full; ship 80 %, cancel the rest; in full one day later  |

    ``order_multiples`` or ``order_units`` of the stores and ``order_units`` of the warehouse give
    other quantities, and as many actions.

    ## Observation Space
    ``Box(0, inf, (size,), float32)`` for ``observation="compact"``:

    | agent     | size | entries                                                               |
    |-----------|------|-----------------------------------------------------------------------|
    | store     | 7    | on-hand/1000, forecast/200, deviation of demand/50, days of           |
    |           |      | cover/10, lost sales yesterday (0 or 1), warehouse on-hand/capacity   |
    |           |      | (1 if it is never short), service level                               |
    | warehouse | 6    | demand/500, on-hand/5000, inbound/2000 (these over N/3 too), smallest |
    |           |      | and mean store on-hand/1000, mean service level                       |
    | supplier  | 3    | order on its desk/2000, free share of its capacity, lead time/10      |

    ``Box(-1, inf, (size,), float32)`` for ``observation="full"``, amounts in days of the agent's
    own mean demand, with L and M the longest lead times of stores and supplier over all SKUs:

    | agent     | size  | entries                                                              |
    |-----------|-------|----------------------------------------------------------------------|
    | store     | 8 + L | on-hand, what arrives in 1 ... L mornings, backorders, forecast,     |
    |           |       | observed and true deviation of demand, season (sine, cosine),        |
    |           |       | warehouse on-hand                                                    |
    | warehouse | 9 + M | on-hand, what arrives in 1 ... M mornings, order on the supplier's   |
    |           |       | desk, stores' inventory position, backorders, demand, forecast, mean |
    |           |       | service level, season (sine, cosine)                                 |
    | supplier  | 5     | order on its desk, free share of its capacity, lead time/10,         |
    |           |       | warehouse on-hand, inbound                                           |

    Where demand is backlogged, backorders are subtracted from on-hand, here and in the compact
    observation, and observations have no lower bound.

    Where goods perish, a store's full observation ends with its stock by remaining shelf life,
    oldest first, and its expected waste before an order of today is of use, if every day has the
    mean demand; both in days of demand.

    With ``observe_step=True`` every agent sees the share of the episode that has passed, last.

    ## Sequence of events
    Observations are taken in the morning, after receipts. Then, on every day:

    1. The supplier decides on the warehouse's order of the day before. It ships nothing on a day
       on which it fails: the order is lost.
    2. Stores order. Each claims its order and what the warehouse owes it; if the stock does not
       cover all claims, all are cut by the same fraction and the rest stays owed.
    3. The warehouse orders from the supplier.
    4. Demand is met from stock on hand and the rest is lost; or, with a backlog, those who wait
       are served first and the rest joins them.
       Goods with a ``shelf_life`` are sold oldest first (``issuing="fifo"``) or newest first
       (``"lifo"``); what is left of those in their last day is wasted, and no longer held.
    5. Every agent gets its reconciliation report and its reward.
    6. Shipments that are due arrive next morning.

    ## Rewards
    ``objective="reconciliation"``, with service level = sales/demand:

    * store: 10 service level - 0.1 holding cost - 5 stockout penalty - 0.05 excess inventory
      - 1 waste cost, where goods perish
    * warehouse: 5 mean service level of the stores - 0.05 holding cost - 3 stores with lost sales
    * supplier: 2 fulfillment rate - 1 if it delayed the order

    ``weights`` changes these numbers. ``objective="cost"``: minus the money spent on holding stock
    and on lost sales (or, every day, on backorders), on ``waste_cost`` for each unit wasted,
    ``fixed_cost`` for each order of a store, and ``unit_cost`` for each unit of it. On the first
    ``warmup_days`` days rewards are 0. ``infos[agent]`` is the day's report, from which the reward
    is computed (`envs.supply_chain.reward`); it is empty after a reset.

    ## Starting State
    ``initial_on_hand`` at every store, spread evenly over all ages where it perishes, and at the
    warehouse, nothing in transit, the forecast at the mean demand.
    ``reset(options={"trace": trace})`` replays given randomness: a mapping with ``demand`` of shape
    (T, N) and ``supplier_ok`` of shape (T,), booleans. With several SKUs both have a leading axis,
    one entry per SKU.

    ## Episode End
    Never terminated; truncated for all agents together after ``horizon`` days.

    ## Units
    Stocks, orders and demand in units, costs in money per unit (and day), time in days.

    ## Arguments
    The fields of `envs.supply_chain.parameters.SupplyChainParameters`, as keywords:
    ``stores``, ``horizon``, ``warmup_days``, ``forecast_window``, ``observation``, ``objective``,
    ``scenario``, ``sku``, ``store``, ``warehouse``, ``supplier``, ``weights`` and ``demand_data``;
    and:

    * ``render_mode``: ``"ansi"`` (a table of the last day) or ``"rgb_array"`` (a picture of all
      days so far).
    * ``observe_step``: append the share of the episode that has passed to all observations.
    * ``split``: with ``demand_data``, which days are drawn, ``"training"`` by default: on these
      days a store's rewards are divided by its usual demand, times the relative cost of its units.

    ## Version History
    * v0: first version.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  (the base's own type)
        "name": "supply_chain_v0",
        "render_modes": ["ansi", "rgb_array"],
        "render_fps": 4,
        "is_parallelizable": True,
    }

    def __init__(
        self,
        *,
        render_mode: str | None = None,
        observe_step: bool = False,
        split: Split = "training",
        **parameters: Any,
    ) -> None:
        if render_mode is not None:
            choose("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self.parameters = validated(SupplyChainParameters, parameters)
        self.parameters.lanes()[0].store.check_quantities()
        skus = len(self.parameters.sku)
        self.batch = SupplyChainBatch(self.parameters, skus, split=split, observe_step=observe_step)
        self.batch.rng = seeding.np_random()[0]
        lanes = [f"sku_{k + 1}/" for k in range(skus)] if skus > 1 else [""]
        self.possible_agents = [lane + name for lane in lanes for name in self.batch.agents]
        self.agents: list[str] = []
        stores: list[Tier] = ["store"] * self.batch.num_stores
        tiers: list[Tier] = [*stores, "warehouse", "supplier"]
        kinds = list(zip(tiers, self.batch.num_actions, strict=True)) * skus
        sizes = {tier: len(self.batch.observation_names[tier]) for tier in TIERS}
        low = self.batch.observation_low
        self.observation_spaces: dict[str, Any] = {
            agent: spaces.Box(low, np.inf, (sizes[tier],), np.float32)
            for agent, (tier, _) in zip(self.possible_agents, kinds, strict=True)
        }
        self.action_spaces: dict[str, Any] = {
            agent: spaces.Discrete(count)
            for agent, (_, count) in zip(self.possible_agents, kinds, strict=True)
        }
        self._history = History(self.batch)

    def observation_space(self, agent: str) -> Any:
        """Return the space of an agent's observations, the same object at every call."""
        return self.observation_spaces[choose("agent", agent, self.possible_agents)]

    def action_space(self, agent: str) -> Any:
        """Return the space of an agent's actions, the same object at every call."""
        return self.action_spaces[choose("agent", agent, self.possible_agents)]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], Infos]:
        """Start an episode; ``options={"trace": ...}`` gives its randomness.

        Other options are ignored, as PettingZoo's tests require.

        Raises
        ------
        InputError
            If the trace does not fit the parameters.
        """
        trace = _trace_option(options)
        if isinstance(trace, Mapping) and "sku" in trace:
            skus = list(range(self.batch.num_worlds))
            if not np.array_equal(np.reshape(trace["sku"], -1), skus):
                raise InputError(f"trace 'sku' must be {skus}: agents are named in that order")
        if seed is not None:
            self.batch.rng = seeding.np_random(seed)[0]
        self.batch.reset(trace)
        self.agents = list(self.possible_agents)
        if self.render_mode == "rgb_array":
            self._history = History(self.batch)
        return self._observations(), {agent: {} for agent in self.agents}

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Observation], dict[str, float], Ends, Ends, Infos]:
        """Move all worlds by one day.

        Parameters
        ----------
        actions : mapping
            One action for every agent, by name.

        Raises
        ------
        InputError
            If an agent is unknown, has no action or one out of range, or no episode is running.
        """
        outcome = self.batch.step(self._checked(actions))
        if self.render_mode == "rgb_array":
            self._history.record(self.batch)
        agents, over = self.agents, bool(outcome.truncated.all())
        rewards = dict(zip(agents, outcome.reward.ravel().tolist(), strict=True))
        infos = self._infos()
        if over:
            self.agents = []
        return (
            self._observations(),
            rewards,
            dict.fromkeys(agents, False),
            dict.fromkeys(agents, over),
            infos,
        )

    def _checked(self, actions: Mapping[str, Any]) -> NDArray[np.int64]:
        """Return actions as the batch takes them."""
        if not self.agents:
            raise InputError("no episode is running: call reset first")
        for agent in actions:
            choose("agent", agent, self.agents)
        for agent in self.agents:
            if agent not in actions:
                raise InputError(f"no action for agent {agent!r}: each of them must act")
            if not self.action_spaces[agent].contains(actions[agent]):
                raise InputError(
                    f"action of {agent} = {short(actions[agent])}: must be a whole number from 0 "
                    f"to {self.action_spaces[agent].n - 1}"
                )
        chosen = [int(actions[agent]) for agent in self.agents]
        return np.array(chosen, np.int64).reshape(self.batch.num_worlds, -1)

    def _observations(self) -> dict[str, Observation]:
        tiers = self.batch.by_tier(self.batch.observation())
        rows: list[Observation] = []
        for world in range(self.batch.num_worlds):
            rows += [*tiers["store"][world], tiers["warehouse"][world], tiers["supplier"][world]]
        return dict(zip(self.possible_agents, rows, strict=True))

    def _infos(self) -> Infos:
        reports = [
            {name: values.tolist() for name, values in report.items()}
            for report in self.batch.reports().values()
        ]
        worlds = range(self.batch.num_worlds)
        each = [{k: v[w] for k, v in report.items()} for w in worlds for report in reports]
        return dict(zip(self.possible_agents, each, strict=True))

    def render(self) -> str | NDArray[np.uint8] | None:
        """Return a table of the last day (``ansi``) or a picture of the days so far."""
        if self.render_mode == "ansi":
            return chain_text(self.batch)
        return chain_picture(self._history) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Release nothing: pictures are drawn without a window."""
