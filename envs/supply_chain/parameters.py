"""Parameters of the supply chain, validated; defaults of the warehouse grow with its stores."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from common.errors import FrozenModel, InputError, validated
from common.random_streams import Split
from demand.history import StoreDemand, StoreHistory, store_history
from demand.laws import check_law, seasonal_mean
from envs.supply_chain.from_file.defaults import with_file
from envs.supply_chain.from_file.items import item_parameters, shelf_lives
from envs.supply_chain.reward import RewardWeights
from envs.supply_chain.sites import (
    HORIZON,
    SCENARIOS,
    Lane,
    ScenarioName,
    SkuParameters,
    StoreParameters,
    StoreSite,
    SupplierParameters,
    WarehouseParameters,
    check_scenario,
    is_list,
)

MAX_STORES = 10_000
MAX_STORE_DAYS = 20_000_000
"""Products times stores times days, each of which has a law of demand of its own."""

DEFAULT_SITES = ((1.0, 500.0), (1.2, 600.0), (1.5, 750.0))
_SCALED = ("initial_on_hand", "capacity", "reorder_point", "order_up_to_level")


class SupplyChainParameters(FrozenModel):
    """Parameters of supplier, warehouse and N stores.

    Defaults of the warehouse and of the supplier's production capacity are those of three stores,
    times N/3. `stores` is a number, or a list of what differs between them; a number repeats the
    three default stores. `sku` is one product or a list of products.

    With `demand_data`, demand comes from a file: its stores and SKUs are those of the problem, each
    with the mean of its training days as scale. By default the warehouse is then never short (the
    file does not mention one), stores begin with `StoreDemand.initial_days` days of their demand,
    the days until the first orders arrive are not counted (`warmup_days`), and stock beyond 10 days
    of the mean demand is excess.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    stores: tuple[StoreSite, ...]
    horizon: Annotated[int, Field(ge=1, le=100_000)] = HORIZON
    warmup_days: Annotated[int, Field(ge=0, le=100_000)] = 0
    forecast_window: Annotated[int, Field(ge=1, le=1000)] = 7
    observation: Literal["compact", "full"] = "compact"
    objective: Literal["reconciliation", "cost"] = "reconciliation"
    scenario: ScenarioName = "normal"
    sku: tuple[SkuParameters, ...] = (SkuParameters(),)
    store: StoreParameters = StoreParameters()
    warehouse: WarehouseParameters = WarehouseParameters()
    supplier: SupplierParameters = SupplierParameters()
    weights: RewardWeights = RewardWeights()
    demand_data: StoreDemand | None = None

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: Any) -> Any:
        """Fill in the defaults that depend on the number of stores and on the scenario."""
        if not isinstance(values, Mapping):
            return values
        filled = dict(values)
        if filled.get("demand_data") is not None:
            filled = with_file(filled)
        filled.setdefault("stores", 3)
        stores = filled["stores"]
        count = stores if isinstance(stores, int) else len(stores) if is_list(stores) else 3
        scale = min(max(count, 1), MAX_STORES) / 3
        own = filled.get("warehouse", {})
        if isinstance(own, Mapping):
            fields = WarehouseParameters.model_fields
            grid = tuple(units * scale for units in fields["order_units"].default)
            scaled = {name: fields[name].default * scale for name in _SCALED}
            filled["warehouse"] = {**scaled, "order_units": grid, **own}
        own = filled.get("supplier", {})
        if isinstance(own, Mapping):
            capacity = SupplierParameters.model_fields["production_capacity"].default * scale
            filled["supplier"] = {"production_capacity": capacity, **own}
        for name, scenario in SCENARIOS.items():
            if filled.get("scenario") == name and scenario.horizon is not None:
                filled.setdefault("horizon", scenario.horizon)
        return filled

    @field_validator("stores", mode="before")
    @classmethod
    def _repeat(cls, value: Any) -> Any:
        if is_list(value) and 1 <= len(value) <= MAX_STORES:
            return value
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_STORES:
            raise ValueError(f"must be a number from 1 to {MAX_STORES}, or a list of stores")
        sites = [DEFAULT_SITES[i % len(DEFAULT_SITES)] for i in range(value)]
        return [{"demand_multiplier": m, "initial_on_hand": x} for m, x in sites]

    @field_validator("sku", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return value if is_list(value) else [value]

    @model_validator(mode="after")
    def _check(self) -> "SupplyChainParameters":
        if not self.sku:
            raise ValueError("sku must name at least one product")
        if any((s.demand_model == "empirical") != bool(self.demand_data) for s in self.sku):
            raise ValueError("demand_model = empirical and demand_data need one another")
        if self.demand_data and self.scenario != "normal":
            raise ValueError(
                f"scenario = {self.scenario}: scenarios need synthetic demand; remove demand_data"
            )
        if self.warmup_days >= self.horizon:
            raise ValueError(
                f"warmup_days = {self.warmup_days}: must be less than the horizon, {self.horizon}"
            )
        if len(self.sku) * self.horizon * self.num_stores > MAX_STORE_DAYS:
            raise ValueError(
                f"{self.num_stores:,} stores, {self.horizon:,} days and {len(self.sku):,} products "
                f"are too many together: at most {MAX_STORE_DAYS:,} as a product"
            )
        check_scenario(self.scenario, self.horizon, self.sku)
        lanes = self.lanes()
        sizes = {(len(lane.store.grid), len(lane.warehouse.order_units)) for lane in lanes}
        if len(sizes) > 1:
            raise ValueError("all SKUs need order grids of the same lengths")
        if len({(lane.store.action, lane.store.offsets) for lane in lanes}) > 1:
            raise ValueError("all SKUs need the same action and offsets")
        means, stds = self.demand_moments()
        for lane, mean, std in zip(lanes, means, stds, strict=True):
            check_law(lane.sku.demand_model, mean, std)
        _ = self.item_values  # which refuses what does not fit
        return self

    @property
    def num_stores(self) -> int:
        """Number of stores (N)."""
        return len(self.stores)

    @property
    def max_steps(self) -> int:
        """Steps of an episode: one per day."""
        return self.horizon

    def lanes(self) -> tuple[Lane, ...]:
        """Return every SKU with its own parameters in full."""
        return self.lanes_in_full

    @cached_property
    def lanes_in_full(self) -> tuple[Lane, ...]:
        """What `lanes` returns, made once: a file may hold thousands of SKUs."""
        return tuple(
            Lane(
                sku=sku,
                store=_merged(self.store, sku.store, f"sku.{k}.store"),
                warehouse=_merged(self.warehouse, sku.warehouse, f"sku.{k}.warehouse"),
                supplier=_merged(self.supplier, sku.supplier, f"sku.{k}.supplier"),
            )
            for k, sku in enumerate(self.sku)
        )

    def supplier_lead_time(self, lane: Lane) -> int:
        """Return the days from a warehouse's order to its arrival, scenario included."""
        return lane.supplier.lead_time + SCENARIOS[self.scenario].extra_lead_time

    @model_serializer(mode="wrap")
    def _without_what_the_file_says(self, handler: SerializerFunctionWrapHandler) -> Any:
        values = handler(self)
        if self.demand_data is None:
            values.pop("demand_data", None)
        elif "sku" in values:
            tiers = ("store", "warehouse", "supplier")  # their defaults may be left out
            own = {name: part for name, part in values["sku"][0].items() if name in tiers}
            values["sku"] = [own]
            items = self.history.items if self.history is not None else None
            if "store" in own and items is not None and shelf_lives(items)[0] is not None:
                own["store"].pop("shelf_life", None)  # which the file says
        return values

    @property
    def law_is_known(self) -> bool:
        """Whether rewards can be expected over the law of the day's demand in training."""
        return self.demand_data is None or self.demand_data.augment == "bootstrap"

    def is_resampled(self, split: Split) -> bool:
        """Return whether days of `split` are drawn anew from a law, not played as they were."""
        source = self.demand_data
        return split == "training" and source is not None and source.augment == "bootstrap"

    @property
    def history(self) -> StoreHistory | None:
        """The demand of the file, where there is one."""
        return store_history(self.demand_data) if self.demand_data else None

    def played_days(self, split: Split) -> range:
        """Return the days of the file that `split` plays.

        Raises
        ------
        InputError
            If there is no file.
        """
        if self.history is None:
            raise InputError("played_days: demand comes from no file; set demand_data")
        starts = self.history.starts(split, self.horizon)
        return range(starts.start, starts.stop + self.horizon - 1)

    def initial_on_hand(self) -> NDArray[np.float64]:
        """Return the stores' stock on the first morning, shape (lanes, N) [units]."""
        given = np.array([site.initial_on_hand for site in self.stores])
        if self.history is None:
            factor = SCENARIOS[self.scenario].initial_factor
            return np.tile(given * factor, (len(self.sku), 1))
        mean = self.history.mean  # stores say what they hold of an average SKU
        share: NDArray[np.float64] = given * mean / mean.mean(axis=0)
        return share

    def warehouse_on_hand(self) -> NDArray[np.float64]:
        """Return the warehouse's stock on the first morning, shape (lanes,) [units]."""
        given = np.array([lane.warehouse.initial_on_hand for lane in self.lanes()])
        return given * SCENARIOS[self.scenario].initial_factor

    def reorder_levels(self) -> NDArray[np.float64]:
        """Return s and S of each store's reference rule, shape (lanes, N, 2) [units]."""
        names = ("reorder_point", "order_up_to_level")
        own = np.array([[getattr(site, n) for n in names] for site in self.stores], np.float64)
        common = np.array([[getattr(lane.store, n) for n in names] for lane in self.lanes()])
        return np.where(np.isnan(own), common[:, None], own)

    def mean_demand(self) -> NDArray[np.float64]:
        """Return each store's demand without season, shape (lanes, N) [units/day]."""
        if self.history is not None:
            return self.history.mean.copy()
        sizes = np.array([site.demand_multiplier for site in self.stores])
        return np.stack([sku.base_demand * sizes for sku in self.sku])

    def demand_moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of each day's demand, shape (lanes, T, N) each."""
        if self.history is not None:
            shape = (len(self.sku), self.horizon, self.num_stores)
            both = (self.history.mean, self.history.std)
            return tuple(np.broadcast_to(x[:, None], shape).copy() for x in both)  # type: ignore[return-value]
        scenario = SCENARIOS[self.scenario]
        factor = scenario.demand_factor(self.horizon)[:, None]
        means, stds = [], []
        for sku, base in zip(self.sku, self.mean_demand(), strict=True):
            amplitude = scenario.seasonality_amplitude
            amplitude = sku.seasonality_amplitude if amplitude is None else amplitude
            season = seasonal_mean(1.0, amplitude, sku.seasonality_period, self.horizon)
            means.append(factor * season[:, None] * base)
            stds.append(factor * sku.demand_std * scenario.std_factor * np.ones_like(means[-1]))
        return np.stack(means), np.stack(stds)

    @property
    def backlog(self) -> bool:
        """Whether unmet demand for any SKU is backlogged."""
        return any(lane.store.unmet_demand == "backlog" for lane in self.lanes())

    @property
    def limited(self) -> bool:
        """Whether orders of any SKU may differ from the quantity asked for."""
        own = self.item_values
        by_item = own and ((own["least_order"] > 0) | np.isfinite(own["shelf_capacity"])).any()
        return bool(by_item) or any(lane.store.limited for lane in self.lanes())

    @property
    def longest_shelf_life(self) -> int:
        """The longest shelf life of all SKUs [days], 0 if nothing perishes."""
        return max(lane.store.shelf_life or 0 for lane in self.lanes())

    @property
    def longest_lead_time(self) -> int:
        """The largest of the SKUs' lead times from the warehouse to the stores [days]."""
        return max(lane.store.lead_time for lane in self.lanes())

    @property
    def longest_review_gap(self) -> int:
        """Most days from one day of review to the next."""
        return max(max(lane.store.review_gaps) for lane in self.lanes())

    @cached_property
    def item_values(self) -> dict[str, NDArray[np.float64]]:
        """The stores' parameters that an items file changes, by name, shape (SKUs, N) each.

        Empty without such a file (see `envs.supply_chain.from_file.items`).
        """
        source, history = self.demand_data, self.history
        if source is None or history is None or history.items is None:
            return {}
        stores = [lane.store for lane in self.lanes()]
        return item_parameters(stores, history.items, source.service_costs)

    @property
    def pays_per_order(self) -> bool:
        """Whether orders have a fixed cost and the objective is cost."""
        return self.objective == "cost" and bool(self.of_stores("fixed_cost").any())

    def of_stores(self, name: str) -> NDArray[np.float64]:
        """Return one of the stores' numeric parameters, shape (SKUs, N), or (SKUs, 1) if alike."""
        own = self.item_values.get(name)
        if own is not None:
            return own
        return np.array([[getattr(lane.store, name)] for lane in self.lanes()], np.float64)

    def store_at(self, sku: int, store: int) -> StoreParameters:
        """Return a store's parameters for an SKU, those of the items file among them."""
        common: StoreParameters = self.lanes()[sku].store
        if not self.item_values:
            return common
        own: dict[str, float | None] = {
            name: float(values[sku, store])
            for name, values in self.item_values.items()
            if name in StoreParameters.model_fields
        }
        own["order_multiple"] = own["order_multiple"] or None
        return common.model_copy(update=own)

    def order_limits(
        self, sku: NDArray[np.intp], store: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return pack (0 if there is none), least order and shelf capacity of each place [units].

        `sku` and `store` are the places' indices, shape (rows,), as are the three arrays returned.
        """
        names = ("order_multiple", "least_order", "shelf_capacity")
        if self.item_values:
            multiple, least, capacity = (self.item_values[name][sku, store] for name in names)
        else:
            skus, at = np.unique(sku, return_inverse=True)
            stores = [self.lanes()[k].store for k in skus.tolist()]
            multiple, least, capacity = (
                np.array([float(getattr(one, name) or 0.0) for one in stores])[at.reshape(-1)]
                for name in names
            )
        return multiple, least, capacity

    def in_scenario(self, scenario: str) -> "SupplyChainParameters":
        """Return these parameters in a scenario, with the horizon that it needs."""
        needed = next(s.horizon or 0 for name, s in SCENARIOS.items() if name == scenario)
        changed = {"scenario": scenario, "horizon": max(self.horizon, needed)}
        return validated(type(self), {**self.model_dump(), **changed})

    def check_stage(self, stage: "SupplyChainParameters") -> None:
        """Check that worlds with these parameters can go on with those of `stage`.

        Raises
        ------
        InputError
            If the number of stores or SKUs, the observation, or the actions differ.
        """
        same: dict[str, Callable[[SupplyChainParameters], Any]] = {
            "the number of stores": lambda p: p.num_stores,
            "the number of SKUs": lambda p: len(p.sku),
            "observation": lambda p: p.observation,
            "demand_data": lambda p: p.demand_data,
            "unmet demand": lambda p: [lane.store.unmet_demand for lane in p.lanes()],
            "the store's lead time": lambda p: [lane.store.lead_time for lane in p.lanes()],
            "the shelf life": lambda p: [lane.store.shelf_life for lane in p.lanes()],
            "the longest time between reviews": lambda p: p.longest_review_gap,
            "the supplier's lead time": lambda p: [lane.supplier.lead_time for lane in p.lanes()],
            "the order grids": lambda p: [
                (lane.store.grid, lane.store.order_units is None, lane.warehouse.order_units)
                for lane in p.lanes()
            ],
            "the stores' actions": lambda p: (
                p.lanes()[0].store.action,
                p.lanes()[0].store.offsets,
            ),
        }
        for name, of in same.items():
            if of(self) != of(stage):
                raise InputError(f"{name} cannot change between the stages of a run")


def _merged(model: Any, own: Mapping[str, Any], where: str) -> Any:
    return validated(type(model), {**model.model_dump(), **own}, where) if own else model
