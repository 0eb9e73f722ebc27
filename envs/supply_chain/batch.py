"""The supply chain: a supplier, a warehouse and N stores, as a batch of worlds with one SKU each.

Parameters are in `envs.supply_chain.parameters`, the law of motion in
`envs.supply_chain.dynamics`, what the agents see in `envs.supply_chain.observation_kernels`.
"""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from common.random_streams import Split, random_stream
from demand.calendar import weekday_of
from demand.known_demand import KNOWN_DAYS, KnownDemand
from envs.batch import LAW_UNKNOWN, Fork, Futures, Outcome, Trace, whole_actions
from envs.supply_chain.constants import Constants, constants_of
from envs.supply_chain.dynamics import HUB, SITE, step_batch
from envs.supply_chain.events import evenly_aged, expected_waste, shelf_entries
from envs.supply_chain.metrics import all_totals, day_reports
from envs.supply_chain.observation_kernels import observe_batch
from envs.supply_chain.order_limits import orders_on_offer
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.reward import scale_by_level
from envs.supply_chain.trace import check_room, check_trace, draw_futures, draw_trace, empty_trace

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
SUPPLIER_ACTIONS = 3  # ship the order in full, ship 80 % of it, ship in full a day later


class SupplyChainBatch:
    """A batch of worlds of the supply chain (implements `envs.batch.Batch`).

    An action of a world is one number per agent: stores, warehouse, supplier. Worlds share a
    calendar: episodes end at the horizon alone, so that all start and end together.

    Parameters
    ----------
    parameters : SupplyChainParameters
        Parameters of the episodes that start from now on.
    num_worlds : int
        Number of worlds.
    rng : numpy.random.Generator, optional
        Generator of traces; by default the stream of `split` of seed 0.
    split : {"training", "validation", "tuning", "evaluation"}
        Split whose stream that is.
    observe_step : bool
        Append the share of the episode that has passed to the observation of every agent.
    expected_reward : bool
        Return rewards expected over the law of the day's demand, given the stock before it, in
        place of the realised ones. Totals stay realised. For training only.

    Attributes
    ----------
    sites, hubs : ndarray
        Records `SITE` of shape (num_worlds, N) and `HUB` of shape (num_worlds,).
    ages : ndarray
        The stores' stock by age, shape (num_worlds, N, longest shelf life), oldest first.
    pipelines, inbound : ndarray
        Units in transit to the stores, shape (num_worlds, N, slots), and to the warehouse, shape
        (num_worlds, slots); slot 0 arrives next morning.
    day : int
        Days that have passed.
    rewards : ndarray
        Rewards of the last day, shape (num_worlds, N + 2).
    """

    def __init__(
        self,
        parameters: SupplyChainParameters,
        num_worlds: int,
        *,
        rng: np.random.Generator | None = None,
        split: Split = "training",
        observe_step: bool = False,
        expected_reward: bool = False,
    ) -> None:
        check_room(num_worlds, parameters)
        if expected_reward and not parameters.law_is_known:
            raise InputError(LAW_UNKNOWN)
        self.num_worlds, self.num_stores = num_worlds, parameters.num_stores
        self.observe_step, self.expected_reward = observe_step, expected_reward
        self.split: Split = split
        self.rng = rng if rng is not None else random_stream(0, split)
        self._next, self.only_valid = parameters, False
        self._take_parameters()
        self.agents = self._of.view.agents
        lane = parameters.lanes()[0]
        self._counts = (len(lane.store.grid), len(lane.warehouse.order_units), SUPPLIER_ACTIONS)
        self.num_actions = (self._counts[0],) * self.num_stores + self._counts[1:]
        self.observation_size = self._of.view.size(self._of.view.names)
        self.observation_low = -1.0 if parameters.observation == "full" else 0.0
        if parameters.backlog or self._of.forecast is not None:
            self.observation_low = -np.inf
        self._begin(empty_trace(parameters, num_worlds))

    @property
    def observation_names(self) -> dict[str, tuple[str, ...]]:
        """Entries of one agent's observation, by tier."""
        return self._of.view.names

    def _take_parameters(self) -> None:
        """Adopt the parameters that were given last."""
        self.parameters = p = self._next
        self._of = constants_of(p, expected_reward=self.expected_reward, time=self.observe_step)

    def change_parameters(self, parameters: SupplyChainParameters) -> None:
        """Use other parameters from the next episode on; an InputError if spaces would change."""
        self.parameters.check_stage(parameters)
        self._next = parameters

    def reset(self, trace: Mapping[str, Any] | None = None) -> None:
        """Start a new episode in every world, on `trace` (first axis = world) or a drawn one."""
        if self._next is not self.parameters:
            self._take_parameters()
        if trace is None:
            self._begin(draw_trace(self.parameters, self.rng, self.num_worlds, self.split))
            return
        given = check_trace(trace, self.parameters)
        if len(given["demand"]) != self.num_worlds:
            raise InputError(f"trace holds {len(given['demand'])} episodes, not {self.num_worlds}")
        self._begin(given)

    def restart(self, worlds: NDArray[np.intp]) -> None:
        """Start a new episode, on a drawn trace, in all worlds; `worlds` must name all of them."""
        if len(worlds) != self.num_worlds:
            raise ValueError(f"all {self.num_worlds} worlds start together, not {len(worlds)}")
        self.reset()

    def _begin(self, trace: Trace) -> None:
        p, w, n = self.parameters, self.num_worlds, self.num_stores
        self._demand = np.ascontiguousarray(trace["demand"].swapaxes(0, 1), np.float64)
        self._works = np.ones((p.horizon + 1, w), np.bool_)  # nothing is on the desk on day 0
        self._works[1:] = trace["supplier_ok"].T
        self.lane_of = lane_of = trace["sku"].astype(np.int64)
        self.sites, self.hubs = np.zeros((w, n), SITE), np.zeros(w, HUB)
        self.sites["on_hand"] = self._of.initial[lane_of]
        self.sites["forecast"] = self._of.mean[lane_of]
        self.sites["forecast_std"] = self._of.lanes["demand_std"][lane_of]
        self.sites["service"] = self.hubs["service"] = self.hubs["fulfillment"] = 1.0
        self.hubs["on_hand"] = self._of.warehouse_on_hand[lane_of]
        self.age_evenly()
        self.pipelines = np.zeros((w, n, self._of.slots[0]))
        self.inbound = np.zeros((w, self._of.slots[1]))
        self._window = np.zeros((w, n, p.forecast_window))
        self.day, self.rewards = 0, np.zeros((w, n + 2))
        self._ordered: Floats | None = None
        self._known, self._start = np.empty((0, w, n)), np.ones(w, np.int64)
        if p.demand_data is not None:
            usual = np.broadcast_to(self._of.mean[lane_of][:, None], (w, KNOWN_DAYS, n))
            past = np.asarray(trace.get("past", usual), np.float64)
            self._known = np.concatenate([past.swapaxes(0, 1), self._demand])
            self._start = np.asarray(trace.get("start", self._start), np.int64)
        self._remember()

    def _remember(self) -> None:
        self._own: Constants | None = None  # a lane per world, once orders are in units
        self.past: KnownDemand | None = None  # of the demand of a file
        if (history := self.parameters.history) is not None:
            where = self._start, self.lane_of, self._of.days_ahead
            self.past = history.known_demand(self._known, *where)
            self._forecast(self.past)

    def _forecast(self, past: KnownDemand) -> None:
        """Let stores forecast from the last days, those before the episode included.

        A forecast is at least a tenth of the store's own level: orders are multiples of it.
        """
        mean, std = past.recent(self.day, min(self.parameters.forecast_window, KNOWN_DAYS))
        self.sites["forecast"] = np.maximum(mean, 0.1 * past.level)
        self.sites["forecast_std"] = std

    def step(self, actions: NDArray[np.integer[Any]]) -> Outcome:
        """Move every world by one day; `actions` has shape (num_worlds, N + 2).

        The outcome's reward has the same shape; no world ever terminates.

        Raises
        ------
        ValueError
            If an action is out of range or missing, or the horizon is over.
        """
        if self.day >= self.parameters.horizon:
            raise ValueError(f"the horizon of {self.day} days is over: reset")
        rewards = np.empty_like(self.rewards)
        actions = whole_actions(actions, rewards.shape)
        (known, lane_of), taken = self._offered(), actions
        if self._ordered is not None:  # and store i's quantity is its action i
            taken = actions.copy()
            taken[:, : self.num_stores] = np.arange(self.num_stores)
        wrong = step_batch(
            known.lanes,
            lane_of,
            self.sites,
            self.hubs,
            self.ages if self.ages.size else None,
            self.pipelines,
            self.inbound,
            self._window,
            known.store_grid,
            known.warehouse_grid,
            self._demand[self.day],
            self._works[self.day],
            *self._law(known, lane_of),
            self._start,
            self.day,
            taken,
            rewards,
        )
        if wrong >= 0:
            raise ValueError(
                f"world {wrong} cannot take actions {actions[wrong].tolist()}: there are, from 0, "
                "{} for a store, {} for the warehouse and {} for the supplier".format(*self._counts)
            )
        self.day, self._ordered = self.day + 1, None
        if self.past is not None:
            self._forecast(self.past)
            if self.split == "training":
                scale_by_level(rewards, self._of.reward_unit(self.past.level, self.lane_of))
        self.rewards, over = rewards, np.full(self.num_worlds, self.day >= self.parameters.horizon)
        return Outcome(rewards, np.zeros_like(over), over)

    def _law(self, known: Constants, lane_of: Whole) -> tuple[Floats, Floats, Whole]:
        """Return values of the day's demand, their chances, and which of them a world has."""
        history = self.parameters.history if self.expected_reward else None  # looks at the file
        if history is None:
            return known.points[:, self.day], known.chances[:, self.day], lane_of
        points = history.law(self._start + self.day, self.lane_of)
        return points, np.empty((*points.shape[:2], 0)), np.arange(self.num_worlds)

    def order_units(self, quantities: Floats) -> None:
        """Let the stores order these quantities on the day to come, whatever their actions say.

        Shape (num_worlds, N) [units]; negative ones count as 0. A ValueError if any is not finite.
        """
        if quantities.shape != self.sites.shape or not np.isfinite(quantities).all():
            raise ValueError(f"quantities must be finite, of shape {self.sites.shape}")
        self._ordered = np.maximum(quantities, 0.0)

    def observation(self) -> NDArray[np.float32]:
        """Return what all agents see, shape (num_worlds, observation_size); see `by_tier`."""
        known, view = self._of, self._of.view
        mean, season = known.mean[self.lane_of], known.season[self.lane_of, self.day]
        added = []
        if view.past and self.past is not None:  # every world has a level and calendar of its own
            mean, season = self.past.level, self.past.calendar(self.day)[2:].T
            added.append(self.past.entries(self.day, view.ahead))
        if known.forecast is not None and self.past is not None:
            which = (self.lane_of, self.review_gap(), self.sites, self.pipelines)
            added.append(known.forecast.entries(self.past, self.day, *which))
        if known.items is not None:
            added.append(known.items.entries(mean, self.lane_of))
        if view.reviews:
            seen = np.stack([self.may_order(), self.review_gap() / 7.0])
            added.append(np.broadcast_to(seen[..., None], (2, *self.sites.shape)))
        if view.perishes:
            added.append(shelf_entries(self.ages, self.expected_waste(), mean))
        rows = view.room(self.num_worlds)
        observe_batch(
            view.full,
            known.lanes,
            self.lane_of,
            (self.sites, self.hubs, self.pipelines, self.inbound),
            known.capacity,
            mean,
            season,
            (view.store_slots, view.warehouse_slots),
            tuple(view.by_tier(rows).values()),
        )
        view.complete(rows, added, self.day / self.parameters.horizon)
        return rows

    def by_tier(self, observation: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return each tier's part: shapes (num_worlds, N, size), (num_worlds, size) twice."""
        return self._of.view.by_tier(observation)

    def _offered(self) -> tuple[Constants, Whole]:
        """Return the constants with today's meaning of the actions, and each world's lane."""
        if self._ordered is None:
            return self._of, self.lane_of
        self._own = self._own or self._of.per_world(self.lane_of)
        return replace(self._own, store_grid=self._ordered), np.arange(self.num_worlds)

    def store_orders(self) -> Floats:
        """Return what each action of each store would order now, shape (worlds, N, actions)."""
        known, lane_of = self._offered()
        state = (self.sites, self.pipelines, self._start, self.day)
        return np.asarray(orders_on_offer(known.lanes, lane_of, *state, known.store_grid))

    def orders_of(self, actions: Any) -> Floats:
        """Return what actions of the stores (and of others) would order now, (num_worlds, N)."""
        chosen = np.asarray(actions).reshape(self.num_worlds, -1)[:, : self.num_stores]
        if self._ordered is not None:
            chosen = np.broadcast_to(np.arange(self.num_stores), chosen.shape)
        return np.take_along_axis(self.store_orders(), chosen[..., None], axis=2)[..., 0]

    def review_gap(self) -> NDArray[np.int64]:
        """Return the days from today to the next day of review after it, shape (num_worlds,)."""
        weekday = weekday_of(self._start, self.day)
        return np.asarray(self._of.review_gaps[self.lane_of, weekday])

    def may_order(self) -> NDArray[np.bool_]:
        """Return whether today is a day of review, shape (num_worlds,)."""
        days: NDArray[np.int64] = self._of.lanes["review_days"][self.lane_of, 0]
        return np.asarray((days >> weekday_of(self._start, self.day)) % 2 == 1)

    def age_evenly(self) -> None:
        """Spread the stock on hand evenly over all ages, as its age is not known."""
        on_hand, slots = self.sites["on_hand"].copy(), self.parameters.longest_shelf_life
        self.ages: Floats = evenly_aged(self._of.lanes, self.lane_of, on_hand, slots)

    def expected_waste(self) -> Floats:
        """Return the units that expire before an order of today is of use, (num_worlds, N).

        Every day is taken to have the mean demand, or the forecast one if demand comes from a file.
        """
        mean = self.sites["forecast"] if self.past else self._of.mean[self.lane_of]
        where = (self.lane_of, self.ages, self.pipelines, self.review_gap())
        return np.asarray(expected_waste(self._of.lanes, *where, np.ascontiguousarray(mean)))

    def warehouse_orders(self) -> Floats:
        """Return what each action of the warehouse would order, shape (num_worlds, actions)."""
        return np.asarray(self._of.warehouse_grid[self.lane_of])

    def action_masks(self) -> NDArray[np.bool_]:
        """Return True for every action of every agent, shape (num_worlds, sum of actions)."""
        return np.ones((self.num_worlds, sum(self.num_actions)), np.bool_)

    def reports(self) -> dict[str, dict[str, NDArray[Any]]]:
        """Return the last day's reconciliation, by agent and name, each of shape (num_worlds,)."""
        return day_reports(self.agents, self.sites, self.hubs, self._of.lanes[self.lane_of])

    def episode_totals(self) -> dict[str, Floats]:
        """Return `envs.supply_chain.metrics.all_totals` of the current episode.

        Each of shape (num_worlds,); ``return`` is the mean of the stores' sums of rewards.
        """
        days = max(1, self.day - self.parameters.warmup_days)
        length = np.full(self.num_worlds, float(self.day))
        return all_totals(self.sites, self.hubs, self._of.lanes, length, days)

    def get_state(self) -> dict[str, Any]:
        """Return everything that the future depends on; arrays are copies."""
        plain = {"parameters": self.parameters, "next_parameters": self._next, "day": self.day}
        arrays = {name: getattr(self, name).copy() for name in _STATE}
        return {**plain, "rng": self.rng.bit_generator.state, **arrays}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `get_state` returned; a ValueError if it does not fit the parameters."""
        self._next = state["parameters"]
        self._take_parameters()
        self._begin(empty_trace(self.parameters, self.num_worlds))
        for name in _STATE:  # the compiled law trusts its arrays
            if state[name].shape != getattr(self, name).shape:
                raise ValueError(f"{name} has shape {state[name].shape}")
        if not 0 <= state["day"] <= self.parameters.horizon:
            raise ValueError(f"day = {state['day']} is not within the horizon")
        if not np.isin(state["lane_of"], np.arange(len(self.parameters.sku))).all():
            raise ValueError("lane_of names no SKU")
        self._next = state["next_parameters"]
        self.rng.bit_generator.state = state["rng"]
        self.day = state["day"]
        for name in _STATE:
            setattr(self, name, state[name].copy())
        self._remember()

    @property
    def memoryless(self) -> bool:
        """Whether demand comes from a law: a file gives one only if its days are resampled."""
        return self.parameters.demand_data is None or self.parameters.is_resampled(self.split)

    def fork(self, worlds: NDArray[np.intp], futures: Futures | None = None) -> Fork:
        """Return copies of worlds; see `envs.batch.Batch.fork`."""
        check_room(len(worlds), self.parameters)
        new = copy.copy(self)
        new.num_worlds = len(worlds)
        for name in _STATE:
            setattr(new, name, np.take(getattr(self, name), worlds, axis=int(name in _BY_DAY)))
        if futures is not None:
            of = (new.lane_of, new._start, self.split, self.day)
            new._demand, new._works = draw_futures(self.parameters, futures, *of)
            if self.past is not None:
                new._known[KNOWN_DAYS + self.day :] = new._demand[self.day :]
        new._remember()
        if new.past is not None:
            new.past.tell_apart(worlds if futures is None else futures.of)
        return Fork(new, np.arange(len(worlds)))


_BY_DAY = ("_demand", "_works", "_known")
"""Arrays whose first axis is the day and whose second is the world."""
_STATE = (
    *("sites", "hubs", "ages", "pipelines", "inbound", "rewards", "lane_of", "_window", "_start"),
    *_BY_DAY,
)
