"""What the supply chain is made of, validated: stores, warehouse, supplier, products, scenarios."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
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

from common.errors import FrozenModel, InputError, short
from demand.calendar import WEEKDAYS
from demand.laws import DemandModel
from envs.supply_chain.events import Issuing
from envs.supply_chain.order_limits import review_gaps

ScenarioName = Literal[
    "normal", "spike", "strong_seasonality", "supplier_delay", "high_variability", "scarce"
]


@dataclass(frozen=True)
class Scenario:
    """What a scenario changes.

    Attributes
    ----------
    horizon : int or None
        Episode length that it needs [days], the default of the horizon.
    spike_days, spike_factor : range, float
        Days on which demand is multiplied.
    seasonality_amplitude : float or None
        Replaces the SKU's own.
    extra_lead_time : int
        Days added to the supplier's lead time.
    std_factor : float
        Multiplies the demand's standard deviation.
    initial_factor : float
        Multiplies the stock of stores and warehouse on the first morning.
    """

    horizon: int | None = None
    spike_days: range = range(0)
    spike_factor: float = 1.0
    seasonality_amplitude: float | None = None
    extra_lead_time: int = 0
    std_factor: float = 1.0
    initial_factor: float = 1.0

    def demand_factor(self, days: int) -> NDArray[np.float64]:
        """Return the factor that multiplies each day's demand, shape (days,)."""
        factor = np.ones(days)
        factor[[day for day in self.spike_days if day < days]] = self.spike_factor
        return factor


SCENARIOS: dict[ScenarioName, Scenario] = {
    "normal": Scenario(),
    "spike": Scenario(horizon=90, spike_days=range(30, 33), spike_factor=2.5),
    "strong_seasonality": Scenario(seasonality_amplitude=0.5),
    "supplier_delay": Scenario(extra_lead_time=7),
    "high_variability": Scenario(std_factor=2.0),
    # the warehouse runs short in the first week, and its orders determine all that follows
    "scarce": Scenario(horizon=90, initial_factor=0.2),
}

Amount = Annotated[float, Field(ge=0, le=1e9)]
Grid = Annotated[tuple[Amount, ...], Field(min_length=1, max_length=256)]

Offset = Annotated[float, Field(ge=-1000, le=1000)]

DEFAULT_MULTIPLES = (0.0, 0.5, 1.0, 1.5)
DEFAULT_OFFSETS = (-1.2, -0.9, -0.6, -0.3, 0.0, 0.3, 0.6, 0.9, 1.2)


class StoreSite(FrozenModel):
    """What differs between stores.

    `demand_multiplier` scales a store's demand, `initial_on_hand` is its stock on the first morning
    [units]. `reorder_point` and `order_up_to_level` [units] are those of its reference rule, for
    every SKU; None takes the value of `StoreParameters`.
    """

    demand_multiplier: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    initial_on_hand: Amount = 500.0
    reorder_point: Amount | None = None
    order_up_to_level: Amount | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_common(self, handler: SerializerFunctionWrapHandler) -> Any:
        return {name: value for name, value in handler(self).items() if value is not None}


class StoreParameters(FrozenModel):
    """Parameters that all stores share; costs are per unit (and day), `fixed_cost` is per order.

    `unit_cost` is paid for each unit ordered, and counts wherever `fixed_cost` counts.

    Goods with a `shelf_life` can be sold on that many days, the day of their arrival included; what
    is left then is wasted, at `waste_cost` per unit (unit cost less salvage), and no longer held.
    Demand takes the oldest units first (`issuing` ``fifo``), or the newest (``lifo``). Stock on the
    first morning is spread evenly over all ages (`envs.supply_chain.events.evenly_aged`).

    Unmet demand is lost, or backlogged (``backlog``): then `stockout_cost` is paid for every
    backlogged unit on every day. `fixed_cost` counts where the objective is cost, and is reported
    in any case.

    Orders are placed on `review_days` only, in multiples of `order_multiple` [units], of at least
    `minimum_order` [units] (rounded up to a multiple), and only as far as the inventory position
    stays within `shelf_capacity` [units]. The quantity asked for becomes the nearest one that fits,
    ties to the larger (`envs.supply_chain.order_limits`). Weekdays are ``mon`` to ``sun`` or 0 to
    6; those of a demand file follow its dates, and other episodes begin on a Monday.
    `order_multiples` multiply the forecast demand until the next day of review.

    An `action` of a learning agent is a quantity of the grid (``quantity``), or one of `offsets`
    [days of recent demand] to the order-up-to level of a rule, reached by the nearest quantity
    (``offset``): 0 is the rule itself. The rule is chosen when training begins
    (`agents.settings.OffsetSettings`) and demand must come from a file. Environments take, and
    rules choose among, quantities in any case.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    lead_time: Annotated[int, Field(ge=0, le=60)] = 2
    holding_cost: Amount = 0.1
    stockout_cost: Amount = 10.0
    fixed_cost: Amount = 0.0
    unit_cost: Amount = 0.0
    unmet_demand: Literal["lost", "backlog"] = "lost"
    excess_threshold: Amount = 500.0
    order_multiples: Grid | None = None
    order_units: Grid | None = None
    action: Literal["quantity", "offset"] = "quantity"
    offsets: Annotated[tuple[Offset, ...], Field(min_length=2, max_length=255)] = DEFAULT_OFFSETS
    reorder_point: Amount = 300.0
    order_up_to_level: Amount = 700.0
    review_days: tuple[str, ...] = WEEKDAYS
    order_multiple: Annotated[float, Field(gt=0, le=1e9)] | None = None
    minimum_order: Amount = 0.0
    shelf_capacity: Annotated[float, Field(gt=0, allow_inf_nan=True)] = math.inf
    shelf_life: Annotated[int, Field(ge=1, le=60)] | None = None
    issuing: Issuing = "fifo"
    waste_cost: Amount = 0.0

    @field_validator("review_days", mode="before")
    @classmethod
    def _known_weekdays(cls, value: Any) -> tuple[str, ...]:
        """Return weekdays by name, in the week's order, each once."""
        given = value if isinstance(value, list | tuple) else [value]
        days = {_weekday(day) for day in given}
        if not days:
            raise ValueError("must name at least one weekday, such as [mon, thu]")
        return tuple(day for day in WEEKDAYS if day in days)

    @model_validator(mode="after")
    def _orders_can_be_placed(self) -> "StoreParameters":
        least = self.least_order
        if least > self.shelf_capacity:
            raise ValueError(
                f"shelf_capacity = {self.shelf_capacity:g}: nothing can be ordered, as the least "
                f"order (minimum_order, order_multiple) is {least:g}; raise it or lower these"
            )
        if self.order_units is not None and 0 < 2 * max(self.order_units) < least:
            raise ValueError(
                f"order_units: the largest, {max(self.order_units):g}, is less than half of the "
                f"least order (minimum_order, order_multiple), {least:g}: nothing can be ordered"
            )
        return self

    @model_validator(mode="after")
    def _one_grid(self) -> "StoreParameters":
        if self.order_multiples is not None and self.order_units is not None:
            raise ValueError("give order_multiples or order_units, not both")
        return self

    @field_validator("offsets")
    @classmethod
    def _rising_through_zero(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if 0.0 not in value or list(value) != sorted(set(value)):
            raise ValueError("must rise, and 0 (the rule itself) must be among them")
        return value

    @property
    def num_choices(self) -> int:
        """Number of actions of a learning agent."""
        return len(self.offsets if self.action == "offset" else self.grid)

    @property
    def grid(self) -> tuple[float, ...]:
        """The quantities that the actions order: units, or multiples of the forecast."""
        return self.order_units or self.order_multiples or DEFAULT_MULTIPLES

    @property
    def least_order(self) -> float:
        """The least positive quantity that can be ordered, 0 if any can [units]."""
        return float(least_order(self.order_multiple or 0.0, self.minimum_order))

    @property
    def review_gaps(self) -> tuple[int, ...]:
        """Days from each weekday to the next day of review."""
        return _gaps_of(self.review_days)

    def check_quantities(self) -> None:
        """Refuse offsets to a rule, since only a training run has that rule.

        Raises
        ------
        InputError
            If actions are offsets.
        """
        if self.action != "quantity":
            raise InputError(
                "store.action = offset: offsets are to a rule that a training run keeps "
                "(train.py); an environment takes quantities, so leave it out"
            )

    @property
    def limited(self) -> bool:
        """Whether the quantity ordered may differ from the one asked for."""
        every_day = self.review_days == WEEKDAYS
        return not every_day or self.least_order > 0 or math.isfinite(self.shelf_capacity)


@lru_cache(maxsize=128)
def _gaps_of(days: tuple[str, ...]) -> tuple[int, ...]:
    """Return the days to the next review by weekday, cached as thousands of products share them."""
    return review_gaps(tuple(WEEKDAYS.index(day) for day in days))


def least_order(pack: Any, minimum: Any) -> Any:
    """Return the least orders: multiples of a pack (0 without one) of at least a minimum.

    >>> least_order(np.array([0.0, 6.0, 6.0]), np.array([5.0, 0.0, 7.0])).tolist()
    [5.0, 6.0, 12.0]
    """
    some = np.where(np.asarray(pack) > 0.0, pack, 1.0)
    packs = np.maximum(1.0, np.ceil(np.asarray(minimum) / some - 1e-9))
    return np.where(np.asarray(pack) > 0.0, pack * packs, minimum)


def _weekday(day: Any) -> str:
    """Return a weekday's name from its name or number."""
    if isinstance(day, int) and not isinstance(day, bool) and 0 <= day < len(WEEKDAYS):
        return WEEKDAYS[day]
    name = str(day).lower()
    if name not in WEEKDAYS:
        raise ValueError(f"weekdays are mon to sun, or 0 (Monday) to 6; check {short(day)}")
    return name


class WarehouseParameters(FrozenModel):
    """The warehouse. An infinite `initial_on_hand` makes it a warehouse that is never short."""

    model_config = ConfigDict(ser_json_inf_nan="constants")  # else infinity is written as null

    initial_on_hand: Annotated[float, Field(ge=0, allow_inf_nan=True)] = 5000.0
    capacity: Annotated[float, Field(gt=0, le=1e9)] = 5000.0
    holding_cost: Amount = 0.05
    order_units: Grid = (0.0, 500.0, 1000.0, 1500.0)
    reorder_point: Amount = 2000.0
    order_up_to_level: Amount = 4000.0


class SupplierParameters(FrozenModel):
    """The supplier: `reliability` is the chance that it can ship the orders of a day."""

    lead_time: Annotated[int, Field(ge=2, le=60)] = 7
    production_capacity: Amount = 10_000.0
    reliability: Annotated[float, Field(ge=0, le=1)] = 0.98


class SkuParameters(FrozenModel):
    """A product. `store`, `warehouse` and `supplier` hold what differs from other products."""

    base_demand: Amount = 50.0
    demand_std: Amount = 10.0
    seasonality_amplitude: Annotated[float, Field(ge=0, le=10)] = 0.2
    seasonality_period: Annotated[float, Field(gt=0, le=1e6)] = 30.0
    demand_model: DemandModel = "normal"
    store: dict[str, Any] = Field(default_factory=dict)
    warehouse: dict[str, Any] = Field(default_factory=dict)
    supplier: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _deviation_of_poisson(cls, given: Any) -> Any:
        """Give Poisson demand the square root of its mean as deviation, unless one is given."""
        if not isinstance(given, Mapping) or given.get("demand_model") != "poisson":
            return given
        mean = given.get("base_demand", cls.model_fields["base_demand"].default)
        known = isinstance(mean, int | float) and 0.0 <= mean < math.inf
        return {"demand_std": math.sqrt(mean), **given} if known else given

    def __hash__(self) -> int:
        return hash(self.model_dump_json())


class Lane(FrozenModel):
    """The parameters of one SKU at every site; a world of a batch plays one lane (`lane_of`)."""

    sku: SkuParameters
    store: StoreParameters
    warehouse: WarehouseParameters
    supplier: SupplierParameters


HORIZON = 30
"""Default length of an episode [days]."""


def is_list(value: Any) -> bool:
    """Return whether a value has one entry per store, or per product."""
    return isinstance(value, list | tuple)


def check_scenario(name: ScenarioName, horizon: int, skus: Sequence[SkuParameters]) -> None:
    """Refuse a scenario that would change nothing.

    Raises
    ------
    ValueError
        If its days lie beyond the horizon, or demand has no deviation for it to widen.
    """
    own = SCENARIOS[name]
    if own.spike_days and own.spike_days.start >= horizon:
        raise ValueError(
            f"scenario = {name}: begins on day {own.spike_days.start + 1}, after the horizon of "
            f"{horizon} days; set horizon={own.horizon}"
        )
    if own.std_factor != 1.0 and all(sku.demand_model == "poisson" for sku in skus):
        raise ValueError(
            f"scenario = {name}: widens demand_std, and poisson demand has none; take another "
            "demand_model"
        )
