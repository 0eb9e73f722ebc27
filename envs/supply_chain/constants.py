"""The supply chain's parameters as its batch reads them: arrays over the SKUs."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demand.bootstrap import RESAMPLING_ARRAYS
from demand.calendar import WEEKDAYS
from demand.forecasts.smoothing import smoothing
from demand.laws import POINTS, STRATUM, law_points
from envs.supply_chain.dynamics import LANE
from envs.supply_chain.observation import ForecastEntries, ItemEntries, ObservationLayout
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.sites import SCENARIOS, Lane

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Constants:
    """Parameters of the episodes to come, as arrays.

    Attributes
    ----------
    lanes : ndarray
        Records `envs.supply_chain.dynamics.LANE`, shape (K, 1), or (K, N) where stores differ.
    store_grid, warehouse_grid : ndarray
        Quantities that the actions stand for, shape (K, actions).
    capacity, warehouse_on_hand : ndarray
        Capacity and initial stock of the warehouse, shape (K,) [units].
    mean, initial : ndarray
        Mean demand and initial stock of the stores, shape (K, N) [units/day], [units].
    review_gaps : ndarray
        Days from each weekday to the next day of review, shape (K, 7).
    season : ndarray
        Sine and cosine of every day, shape (K, T + 1, 2).
    points, chances : ndarray
        The law of every day's demand, shape (K, T, N, J); J is 0 where it is not needed, and where
        demand comes from a file (`StoreHistory.law`).
    slots : tuple of int
        Slots of the pipelines to a store and to the warehouse.
    view : ObservationLayout
        What agents see.
    forecast : ForecastEntries or None
        How stores forecast the demand of a file, if they observe a forecast.
    items : ItemEntries or None
        What stores observe of an items file.
    cost_scale : ndarray or None
        Holding plus stockout cost of a unit, over their mean over all SKUs and stores, with an
        items file: a divisor of rewards in training, shape (K, N).
    """

    lanes: NDArray[np.void]
    store_grid: Floats
    warehouse_grid: Floats
    capacity: Floats
    warehouse_on_hand: Floats
    mean: Floats
    initial: Floats
    review_gaps: NDArray[np.int64]
    season: Floats
    points: Floats
    chances: Floats
    slots: tuple[int, int]
    view: ObservationLayout
    forecast: ForecastEntries | None
    items: ItemEntries | None
    cost_scale: Floats | None

    @property
    def days_ahead(self) -> int:
        """Most days after an episode on which goods ordered on its last day are sold."""
        return self.view.store_slots + max(self.view.longest_gap, self.view.shelf_life)

    def reward_unit(self, level: Floats, lane_of: NDArray[np.int64]) -> Floats:
        """Return the divisor of rewards in training, shape (worlds, N).

        A store's usual demand, `level`, times the relative cost of its units (`cost_scale`).
        """
        return level if self.cost_scale is None else level * self.cost_scale[lane_of]

    def per_world(self, lane_of: NDArray[np.int64]) -> "Constants":
        """Return constants of the same law with a lane per world, for orders in units.

        The quantity that store i's action i orders then takes the place of `store_grid`.

        Parameters
        ----------
        lane_of : ndarray
            Each world's lane, shape (worlds,).
        """
        lanes = self.lanes[lane_of]
        lanes["orders_in_units"] = True
        return replace(
            self,
            lanes=lanes,
            warehouse_grid=self.warehouse_grid[lane_of],
            points=self.points[lane_of],
            chances=self.chances[lane_of],
        )


def constants_of(p: SupplyChainParameters, *, expected_reward: bool, time: bool) -> Constants:
    """Return the constants of parameters; `time` shows agents the share of time passed."""
    lanes = p.lanes()
    points = chances = np.empty((len(lanes), p.horizon, p.num_stores, 0))
    if expected_reward and p.demand_data is None:
        points, chances = law_points([sku.demand_model for sku in p.sku], *p.demand_moments())
    view = _view(p, time=time)
    slots = max(p.supplier_lead_time(lane) for lane in lanes)
    return Constants(
        lanes=lane_constants(p),
        store_grid=np.array([lane.store.grid for lane in lanes]),
        warehouse_grid=np.array([lane.warehouse.order_units for lane in lanes]),
        capacity=np.array([lane.warehouse.capacity for lane in lanes]),
        warehouse_on_hand=p.warehouse_on_hand(),
        mean=p.mean_demand(),
        initial=p.initial_on_hand(),
        review_gaps=np.array([lane.store.review_gaps for lane in lanes]),
        season=_season(p),
        points=points,
        chances=chances,
        slots=(max(1, view.store_slots), slots),
        view=view,
        forecast=_forecast(p, view),
        items=ItemEntries.of(p.item_values) if view.items else None,
        cost_scale=_cost_scale(p),
    )


def lane_constants(p: SupplyChainParameters) -> NDArray[np.void]:
    """Return what the law of motion reads, `LANE` records of shape (SKUs, 1).

    With an items file stores have records of their own, shape (SKUs, N).
    """
    records = np.zeros(len(p.sku), LANE)
    made: dict[tuple[int, ...], NDArray[np.void]] = {}  # products share what all have in common
    for k, lane in enumerate(p.lanes()):
        of = id(lane.store), id(lane.warehouse), id(lane.supplier)
        if of not in made:
            made[of] = _lane_record(p, lane)
        records[k] = made[of]
    std = np.array([sku.demand_std for sku in p.sku])
    records["demand_std"] = std * SCENARIOS[p.scenario].std_factor
    return _of_items(p, records) if p.item_values else records[:, None]


def _lane_record(p: SupplyChainParameters, lane: Lane) -> NDArray[np.void]:
    """Return the record of an SKU, without the standard deviation of its own demand."""
    record = np.zeros((), LANE)
    for tier in ("store", "warehouse", "supplier"):
        for name, weight in getattr(p.weights, tier).model_dump().items():
            record[f"{tier}_{name}"] = weight
    record["holding_cost"] = lane.store.holding_cost
    record["stockout_cost"] = lane.store.stockout_cost
    record["fixed_cost"] = lane.store.fixed_cost
    record["unit_cost"] = lane.store.unit_cost
    record["waste_cost"] = lane.store.waste_cost
    record["shelf_life"] = lane.store.shelf_life or 0
    record["lifo"] = lane.store.issuing == "lifo"
    record["backlog"] = lane.store.unmet_demand == "backlog"
    record["excess_threshold"] = lane.store.excess_threshold
    record["order_multiple"] = lane.store.order_multiple or 0.0
    record["least_order"] = lane.store.least_order
    record["shelf_capacity"] = lane.store.shelf_capacity
    record["review_days"] = sum(1 << WEEKDAYS.index(d) for d in lane.store.review_days)
    record["limited"] = lane.store.limited
    record["warehouse_unit_holding_cost"] = lane.warehouse.holding_cost
    record["production_capacity"] = lane.supplier.production_capacity
    record["store_lead_time"] = lane.store.lead_time
    record["supplier_lead_time"] = p.supplier_lead_time(lane)
    record["forecast_window"] = p.forecast_window
    record["warmup_days"] = p.warmup_days
    record["cost"] = p.objective == "cost"
    record["orders_in_units"] = lane.store.order_units is not None
    return record


def _of_items(p: SupplyChainParameters, records: NDArray[np.void]) -> NDArray[np.void]:
    """Return a record for every SKU and store, with the values that the items file gives it."""
    every = np.repeat(records[:, None], p.num_stores, axis=1)
    for name, values in p.item_values.items():
        if name in (LANE.names or ()):
            every[name] = values
    every["limited"] |= (every["least_order"] > 0) | np.isfinite(every["shelf_capacity"])
    return every


def shared_bytes(p: SupplyChainParameters, expected_reward: bool) -> dict[str, float]:
    """Return the bytes, by purpose, of what all worlds share and of preparing it."""
    if p.history is not None:
        needed = RESAMPLING_ARRAYS * float(p.history.training.nbytes)
        return {"training days taken apart (the demand file)": needed}
    if not expected_reward:
        return {}
    days = len(p.sku) * p.horizon * p.num_stores
    needed = 3.0 * days * POINTS * STRATUM * np.dtype(np.float64).itemsize
    return {"expected rewards (reward.expected, stores, horizon)": needed}


def _forecast(p: SupplyChainParameters, view: ObservationLayout) -> ForecastEntries | None:
    if p.history is None or not view.past:
        return None
    days = view.store_slots + view.longest_gap
    informed = p.history.effects is not None
    return ForecastEntries(smoothing(p.history, days, informed=informed), view.store_slots)


def _cost_scale(p: SupplyChainParameters) -> Floats | None:
    if not p.item_values:
        return None
    both = p.item_values["holding_cost"] + p.item_values["stockout_cost"]
    scale: Floats = np.maximum(both / max(both.mean(), 1e-9), 1e-3)
    return scale


def _view(p: SupplyChainParameters, *, time: bool) -> ObservationLayout:
    lanes, full = p.lanes(), p.observation == "full"
    return ObservationLayout(
        num_stores=p.num_stores,
        full=full,
        store_slots=max(lane.store.lead_time for lane in lanes),
        warehouse_slots=max(lane.supplier.lead_time for lane in lanes),
        past=full and p.demand_data is not None,
        items=full and bool(p.item_values),
        longest_gap=p.longest_review_gap,
        shelf_life=p.longest_shelf_life,
        time=time,
    )


def _season(p: SupplyChainParameters) -> Any:
    angle = 2.0 * np.pi * np.arange(p.horizon + 1)
    periods = np.array([sku.seasonality_period for sku in p.sku])[:, None]
    return np.stack([np.sin(angle / periods), np.cos(angle / periods)], axis=-1)
