"""The supply chain: a supplier, a warehouse and N stores, as a batch of worlds with one SKU each.

Parameters stand in `inventory.supply_chain_parameters`, the law of motion in
`inventory.supply_chain_law`, what the agents see in `inventory.supply_chain_observation`.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from inventory.batch import Outcome, Split, Trace, random_stream
from inventory.demand_models import draw_demand, law_points
from inventory.errors import InputError
from inventory.reconciliation import STORE_REPORT, SUPPLIER_REPORT, WAREHOUSE_REPORT
from inventory.store_history import KNOWN_DAYS
from inventory.store_past import Past, entry_names
from inventory.supply_chain_law import HUB, SITE, step_batch
from inventory.supply_chain_observation import COMPACT, full_names, observe_batch
from inventory.supply_chain_parameters import SupplyChainParameters
from inventory.supply_chain_totals import extra_totals, store_returns, world_totals

Floats = NDArray[np.float64]
Tier = Literal["store", "warehouse", "supplier"]
TIERS: tuple[Tier, ...] = ("store", "warehouse", "supplier")
MOST_NAMED = 10
"""Stores that have a total of their own."""

SUPPLIER_ACTIONS = 3
"""Ship the order in full, ship 80 % of it, ship in full a day later."""

MAX_VALUES_HELD = 200_000_000
"""Numbers of traces that may be held at once, 8 bytes each."""


def agent_names(num_stores: int) -> tuple[str, ...]:
    """Return the agents in their order: stores, warehouse, supplier."""
    return (*(f"store_{i + 1}" for i in range(num_stores)), "warehouse", "supplier")


def _check_room(episodes: int, p: SupplyChainParameters) -> None:
    if episodes * p.horizon * (p.num_stores + 1) > MAX_VALUES_HELD:
        raise InputError(
            f"{episodes:,} episodes of {p.horizon:,} days and {p.num_stores:,} stores are too many "
            "to hold at once; reduce n_envs, episodes, horizon or stores"
        )


def draw_trace(
    parameters: SupplyChainParameters,
    rng: np.random.Generator,
    episodes: int,
    split: Split = "training",
) -> Trace:
    """Draw the randomness of `episodes` episodes; episode e is about SKU ``e % number of SKUs``.

    Demand of a file is that of the period of `split`, and its SKUs are drawn, each as often.

    Returns
    -------
    dict
        ``demand``, shape (episodes, T, N) [units/day]; ``supplier_ok``, shape (episodes, T), bool;
        ``sku``, shape (episodes,), index of the SKU. With demand of a file also ``past``, shape
        (episodes, `KNOWN_DAYS`, N), the days known before [units/day], and ``start``, shape
        (episodes,), the ordinal of the first day.
    """
    p = parameters
    _check_room(episodes, p)
    if p.history is not None:
        order = rng.permutation(len(p.sku))
        drawn_skus = order[np.arange(episodes) % len(p.sku)]
        days, start = p.history.draw(split, rng, drawn_skus, p.horizon)
        reliable = p.sku[0].supplier.get("reliability", p.supplier.reliability)  # of all the same
        return {
            "demand": days[:, KNOWN_DAYS:],
            "supplier_ok": rng.random((episodes, p.horizon)) < reliable,
            "sku": drawn_skus,
            "past": days[:, :KNOWN_DAYS],
            "start": start,
        }
    lane_of = np.arange(episodes) % len(p.sku)
    means, stds = p.demand_moments()
    demand = np.empty((p.horizon, episodes, p.num_stores))  # day by day: as the batch reads it
    for k, sku in enumerate(p.sku):
        count = len(range(k, episodes, len(p.sku)))
        mean, std = means[k][:, None, :], stds[k][:, None, :]
        shape = (p.horizon, count, p.num_stores)
        drawn = draw_demand(rng, sku.demand_model, mean, std, shape)
        if len(p.sku) == 1:
            demand = drawn
        else:
            demand[:, k :: len(p.sku)] = drawn
    reliability = np.array([lane.supplier.reliability for lane in p.lanes()])[lane_of]
    works = rng.random((p.horizon, episodes)) < reliability
    return {"demand": demand.swapaxes(0, 1), "supplier_ok": works.T, "sku": lane_of}


def check_trace(trace: Mapping[str, Any], parameters: SupplyChainParameters) -> Trace:
    """Return a trace from outside as arrays with a leading axis of episodes.

    A trace of a single episode, without that axis, is accepted too; so is one without ``sku``.

    Raises
    ------
    InputError
        If a part is missing, unknown, of a wrong shape, not finite or out of range.
    """
    p = parameters
    if not isinstance(trace, Mapping):
        raise InputError(f"trace must be a mapping of arrays, not {type(trace).__name__}")
    if p.history is not None and "past" in trace:
        return _check_past(trace, p)
    wrong = sorted({"demand", "supplier_ok"} ^ (set(trace) - {"sku"}), key=str)
    if wrong:
        raise InputError(f"trace must have demand and supplier_ok; check {wrong[0]!r}")
    try:
        demand = np.asarray(trace["demand"], np.float64)
        works = np.asarray(trace["supplier_ok"])
        sku = np.asarray(trace["sku"]) if "sku" in trace else None
    except (OverflowError, TypeError, ValueError):
        raise InputError("trace must hold arrays of numbers") from None
    single = demand.ndim != 3
    lead = (1,) if single else (len(demand),)
    sku = np.arange(lead[0]) % len(p.sku) if sku is None else sku
    axes = () if single else lead
    shapes = {
        "demand": (demand, (*axes, p.horizon, p.num_stores)),
        "supplier_ok": (works, (*axes, p.horizon)),
        "sku": (sku.reshape(lead) if sku.size == 1 and single else sku, lead),
    }
    for name, (values, shape) in shapes.items():
        if values.shape != shape:
            raise InputError(f"trace {name!r} has shape {np.shape(trace[name])}, not {shape}")
    if not np.isfinite(demand).all() or (demand < 0).any():
        raise InputError("trace 'demand' must be finite and at least 0.0")
    if works.dtype != np.bool_ and not np.isin(works, (0, 1)).all():
        raise InputError("trace 'supplier_ok' must hold true and false")
    if not np.isin(sku, np.arange(len(p.sku))).all():
        raise InputError(f"trace 'sku' must hold indices from 0 to {len(p.sku) - 1}")
    return {
        "demand": demand.reshape(*lead, p.horizon, p.num_stores),
        "supplier_ok": works.astype(np.bool_).reshape(*lead, p.horizon),
        "sku": sku.astype(np.int64).reshape(lead),
    }


def _check_past(trace: Mapping[str, Any], p: SupplyChainParameters) -> Trace:
    """Return a trace with the days known before it; a leading axis of episodes is needed."""
    rest = check_trace({k: v for k, v in trace.items() if k not in ("past", "start")}, p)
    episodes = len(rest["demand"])
    try:
        past = np.asarray(trace["past"], np.float64).reshape(episodes, KNOWN_DAYS, p.num_stores)
        start = np.asarray(trace.get("start", 1), np.int64)
        rest |= {"past": past, "start": np.broadcast_to(start.reshape(-1), (episodes,)).copy()}
    except (OverflowError, TypeError, ValueError):
        shape = (episodes, KNOWN_DAYS, p.num_stores)
        raise InputError(f"trace 'past' must be numbers of shape {shape}, 'start' days") from None
    if not np.isfinite(past).all() or (past < 0).any():
        raise InputError("trace 'past' must be finite and at least 0.0")
    return rest


def trace_covariates(parameters: SupplyChainParameters, trace: Trace) -> Floats:
    """Return no control variates: the mean reward is not near linear in the demand."""
    del parameters
    return np.empty((len(trace["demand"]), 0))


class SupplyChainBatch:
    """A batch of worlds of the supply chain (implements `inventory.batch.Batch`).

    An action of a world is one number per agent: stores, warehouse, supplier. Worlds share a
    calendar, since the only end is that of the horizon: they start and end together.

    Parameters
    ----------
    parameters : SupplyChainParameters
        Parameters of the episodes that start from now on.
    num_worlds : int
        Number of worlds.
    rng : numpy.random.Generator, optional
        Where traces are drawn from; by default the stream of `split` of seed 0.
    split : {"training", "validation", "tuning", "evaluation"}
        Which stream that is.
    observe_step : bool
        Append the share of the episode that has passed to the observation of every agent.
    expected_reward : bool
        Return rewards expected over the law of the day's demand, given the stock before it, in
        place of the realised ones. Totals stay realised. For training only.

    Attributes
    ----------
    sites, hubs : ndarray
        Records `SITE` of shape (num_worlds, N) and `HUB` of shape (num_worlds,).
    pipelines, inbound : ndarray
        What is under way to the stores, shape (num_worlds, N, slots), and to the warehouse, shape
        (num_worlds, slots); slot 0 arrives next morning.
    day : int
        Days that have passed.
    rewards : ndarray
        Of the last day, shape (num_worlds, N + 2).
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
        _check_room(num_worlds, parameters)
        if expected_reward and parameters.demand_data is not None:
            raise InputError(
                "expected_reward needs the law of demand, which a demand file does not give; "
                "set reward.expected=false"
            )
        self.num_worlds, self.num_stores = num_worlds, parameters.num_stores
        self.observe_step, self.expected_reward = observe_step, expected_reward
        self.split: Split = split
        self.rng = rng if rng is not None else random_stream(0, split)
        self.agents = agent_names(self.num_stores)
        self._next = parameters
        self._take_parameters()
        lane = parameters.lanes()[0]
        self._counts = (len(lane.store.grid), len(lane.warehouse.order_units), SUPPLIER_ACTIONS)
        per_agent = (*([self._counts[0]] * self.num_stores), *self._counts[1:])
        self.num_actions: tuple[int, ...] = per_agent
        sizes = [len(self.observation_names[tier]) for tier in TIERS]
        self.observation_size = self.num_stores * sizes[0] + sizes[1] + sizes[2]
        self.observation_low = -1.0 if parameters.observation == "full" else 0.0
        if parameters.backlog:
            self.observation_low = -np.inf
        self.day = 0
        self._begin(self._empty_trace())

    @property
    def observation_names(self) -> dict[str, tuple[str, ...]]:
        """Entries of one agent's observation, by tier."""
        full = self.parameters.observation == "full"
        names = full_names(self._store_slots, self._warehouse_slots) if full else COMPACT
        extra = ("time passed",) if self.observe_step else ()
        known = entry_names(self._store_slots) if full and self.parameters.demand_data else ()
        return {tier: (*names[tier], *(known if tier == "store" else ()), *extra) for tier in TIERS}

    def _take_parameters(self) -> None:
        """Let the parameters that were given last hold from now on."""
        self.parameters = p = self._next
        lanes = p.lanes()
        self._lanes = p.lane_constants()
        self._store_grid = np.array([lane.store.grid for lane in lanes])
        self._warehouse_grid = np.array([lane.warehouse.order_units for lane in lanes])
        self._capacity = np.array([lane.warehouse.capacity for lane in lanes])
        self._hub_on_hand = np.array([lane.warehouse.initial_on_hand for lane in lanes])
        self._mean, self._initial = p.mean_demand(), p.initial_on_hand()
        self._store_slots = max(lane.store.lead_time for lane in lanes)
        self._warehouse_slots = max(lane.supplier.lead_time for lane in lanes)
        slots = max(p.supplier_lead_time(lane) for lane in lanes)
        self._slots = (max(1, self._store_slots), slots)
        self._points = self._chances = np.empty((len(lanes), p.horizon, p.num_stores, 0))
        if self.expected_reward:
            self._points, self._chances = law_points(
                [sku.demand_model for sku in p.sku], *p.demand_moments()
            )
        angle = 2.0 * np.pi * np.arange(p.horizon + 1)
        periods = np.array([sku.seasonality_period for sku in p.sku])[:, None]
        self._season = np.stack([np.sin(angle / periods), np.cos(angle / periods)], axis=-1)

    def _empty_trace(self) -> Trace:
        p = self.parameters
        return {  # of a file too: what was known before is the mean then
            "demand": np.zeros((self.num_worlds, p.horizon, self.num_stores)),
            "supplier_ok": np.ones((self.num_worlds, p.horizon), np.bool_),
            "sku": np.arange(self.num_worlds) % len(p.sku),
        }

    def change_parameters(self, parameters: SupplyChainParameters) -> None:
        """Use other parameters from the next episode on (curriculum).

        Raises
        ------
        InputError
            If the spaces would change.
        """
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
        """Start a new episode, on a drawn trace, in all worlds.

        Raises
        ------
        ValueError
            If `worlds` leaves one out: worlds share a calendar.
        """
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
        self.sites["on_hand"] = self._initial[lane_of]
        self.sites["forecast"] = self._mean[lane_of]
        self.sites["forecast_std"] = self._lanes["demand_std"][lane_of][:, None]
        self.sites["service"] = self.hubs["service"] = self.hubs["fulfillment"] = 1.0
        self.hubs["on_hand"] = self._hub_on_hand[lane_of]
        self.pipelines = np.zeros((w, n, self._slots[0]))
        self.inbound = np.zeros((w, self._slots[1]))
        self._window = np.zeros((w, n, p.forecast_window))
        self.rewards = np.zeros((w, n + 2))
        self.day = 0
        self._known, self._start = np.empty((0, w, n)), np.zeros(w, np.int64)
        if p.demand_data is not None:
            usual = np.broadcast_to(self._mean[lane_of][:, None], (w, KNOWN_DAYS, n))
            past = np.asarray(trace.get("past", usual), np.float64)
            self._known = np.concatenate([past.swapaxes(0, 1), self._demand])
            self._start = np.asarray(trace.get("start", np.ones(w)), np.int64)
        self._remember()

    def _remember(self) -> None:
        """Take up what is known of the demand of a file."""
        self.past: Past | None = None
        if self.parameters.demand_data is not None:
            self.past = Past(self._known, self._start, self._mean[self.lane_of])
            self._forecast(self.past)

    def _forecast(self, past: Past) -> None:
        """Let stores forecast from the last days, those before the episode included.

        A forecast is at least a tenth of the store's own level: what is ordered is a multiple.
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
            If an action is out of range, one is missing, or the horizon is over.
        """
        if self.day >= self.parameters.horizon:
            raise ValueError(f"the horizon of {self.day} days is over: reset")
        rewards = np.empty((self.num_worlds, self.num_stores + 2))
        if actions.shape != rewards.shape:
            raise ValueError(f"actions have shape {actions.shape}, not {rewards.shape}")
        wrong = step_batch(
            self._lanes,
            self.lane_of,
            self.sites,
            self.hubs,
            self.pipelines,
            self.inbound,
            self._window,
            self._store_grid,
            self._warehouse_grid,
            self._demand[self.day],
            self._works[self.day],
            self._points[:, self.day],
            self._chances[:, self.day],
            self.day,
            actions,
            rewards,
        )
        if wrong >= 0:
            raise ValueError(
                f"world {wrong} cannot take actions {actions[wrong].tolist()}: there are "
                f"{self._counts[0]} for a store, {self._counts[1]} for the warehouse and "
                f"{self._counts[2]} for the supplier, from 0"
            )
        self.day += 1
        if self.past is not None:
            self._forecast(self.past)
            if self.split == "training":  # in days of the store's demand, whatever its size
                rewards[:, : self.num_stores] /= self.past.level
        self.rewards = rewards
        over = np.full(self.num_worlds, self.day >= self.parameters.horizon)
        return Outcome(self.rewards, np.zeros(self.num_worlds, np.bool_), over)

    def observation(self) -> NDArray[np.float32]:
        """Return what all agents see, shape (num_worlds, observation_size); see `by_tier`."""
        steps = self.num_stores + 2 if self.observe_step else 0
        if self.past is not None and self.parameters.observation == "full":
            return self._observe_past(self.past)
        out = np.zeros((self.num_worlds, self.observation_size - steps), np.float32)
        observe_batch(
            self.parameters.observation == "full",
            self._lanes,
            self.lane_of,
            self.sites,
            self.hubs,
            self.pipelines,
            self.inbound,
            self._capacity,
            self._mean,
            self._store_slots,
            self._warehouse_slots,
            self._season[:, self.day],
            out,
        )
        return self._with_time(out) if self.observe_step else out

    def _observe_past(self, past: Past) -> NDArray[np.float32]:
        """Return the full observation with a calendar and the demand known, in the own level."""
        w, n, lane_of = self.num_worlds, self.num_stores, self.lane_of
        added = len(entry_names(self._store_slots))
        steps = n + 2 if self.observe_step else 0
        out = np.zeros((w, self.observation_size - steps - n * added), np.float32)
        observe_batch(
            True,
            self._lanes[lane_of],
            np.arange(w),
            self.sites,
            self.hubs,
            self.pipelines,
            self.inbound,
            self._capacity[lane_of],
            past.level,
            self._store_slots,
            self._warehouse_slots,
            past.calendar(self.day)[:, 2:],
            out,
        )
        size = len(self.observation_names["store"]) - added - self.observe_step
        stores = out[:, : n * size].reshape(w, n, size)
        more = past.entries(self.day, self._store_slots).astype(np.float32)
        both = np.concatenate([stores, more], axis=2).reshape(w, -1)
        out = np.concatenate([both, out[:, n * size :]], axis=1)
        return self._with_time(out) if self.observe_step else out

    def _with_time(self, plain: NDArray[np.float32]) -> NDArray[np.float32]:
        """Append the share of time passed to every agent's entries."""
        sizes = [len(self.observation_names[tier]) - 1 for tier in TIERS]
        ends = np.cumsum([*([sizes[0]] * self.num_stores), *sizes[1:]])
        share = self.day / self.parameters.horizon
        return np.insert(plain, ends, np.float32(share), axis=1)

    def by_tier(self, observation: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return each tier's part: shapes (num_worlds, N, size), (num_worlds, size) twice."""
        sizes = [len(self.observation_names[tier]) for tier in TIERS]
        stores = observation[:, : self.num_stores * sizes[0]]
        rest = observation[:, self.num_stores * sizes[0] :]
        return {
            "store": stores.reshape(len(observation), self.num_stores, sizes[0]),
            "warehouse": rest[:, : sizes[1]],
            "supplier": rest[:, sizes[1] :],
        }

    def store_orders(self) -> Floats:
        """Return what each action of each store would order now, shape (worlds, N, actions)."""
        grid = self._store_grid[self.lane_of][:, None, :]
        units = self._lanes["orders_in_units"][self.lane_of][:, None, None]
        return np.where(units, grid, grid * self.sites["forecast"][:, :, None])

    def warehouse_orders(self) -> Floats:
        """Return what each action of the warehouse would order, shape (num_worlds, actions)."""
        orders: Floats = self._warehouse_grid[self.lane_of]
        return orders

    def action_masks(self) -> NDArray[np.bool_]:
        """Return that every action of every agent is valid, shape (num_worlds, sum of actions)."""
        return np.ones((self.num_worlds, sum(self.num_actions)), np.bool_)

    def reports(self) -> dict[str, dict[str, NDArray[Any]]]:
        """Return the last day's reconciliation, by agent and name, each of shape (num_worlds,)."""
        lanes = self._lanes[self.lane_of]
        s, hubs = self.sites, self.hubs
        backlog = lanes["backlog"][:, None]
        short = np.where(backlog, s["owed"], s["demand"] - s["sales"])
        lost = np.where(backlog, 0.0, short)
        on_hand = s["left"]  # before the morning's receipts
        columns = (
            s["demand"],
            s["sales"],
            lost,
            on_hand,
            s["service"],
            lanes["holding_cost"][:, None] * on_hand,
            lanes["stockout_cost"][:, None] * short,
            np.maximum(0.0, on_hand - lanes["excess_threshold"][:, None]),
        )
        stores = {
            name: {key: values[:, i] for key, values in zip(STORE_REPORT, columns, strict=True)}
            for i, name in enumerate(self.agents[: self.num_stores])
        }
        if backlog.any():
            for i in range(self.num_stores):
                stores[self.agents[i]]["owed"] = s["owed"][:, i]
        holding = np.where(
            np.isinf(hubs["left"]), 0.0, lanes["warehouse_unit_holding_cost"] * hubs["left"]
        )
        warehouse = (hubs["service"], holding, hubs["stockouts"], hubs["left"])
        supplier = (hubs["fulfillment"], hubs["delayed"])
        return {
            **stores,
            "warehouse": dict(zip(WAREHOUSE_REPORT, warehouse, strict=True)),
            "supplier": dict(zip(SUPPLIER_REPORT, supplier, strict=True)),
        }

    def episode_totals(self) -> dict[str, Floats]:
        """Return sums and means over the current episode, each of shape (num_worlds,).

        ``return`` is the mean of the stores' sums of rewards. The names are those of
        `inventory.supply_chain_totals`; up to `MOST_NAMED` stores have their own too.
        """
        days = max(1, self.day - self.parameters.warmup_days)
        each = store_returns(self.sites) if self.num_stores <= MOST_NAMED else {}
        return {
            "return": self.sites["total_return"].mean(axis=1),
            "length": np.full(self.num_worlds, float(self.day)),
            **world_totals(self.sites, self.hubs, days),
            **extra_totals(self.sites, self._lanes, days),
            **each,
        }

    def get_state(self) -> dict[str, Any]:
        """Return everything that the future depends on; arrays are copies."""
        arrays = {name: getattr(self, name).copy() for name in _STATE}
        return {
            "parameters": self.parameters,
            "next_parameters": self._next,
            "rng": self.rng.bit_generator.state,
            "day": self.day,
            **arrays,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `get_state` returned.

        Raises
        ------
        ValueError
            If an array is not of the shape that the parameters ask for, or out of range.
        """
        self._next = state["parameters"]
        self._take_parameters()
        self._begin(self._empty_trace())
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


_STATE = (
    *("sites", "hubs", "pipelines", "inbound", "rewards", "lane_of"),
    *("_window", "_demand", "_works", "_known", "_start"),
)
