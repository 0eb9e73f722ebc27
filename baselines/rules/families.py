"""The supply chain's rules with the parameters that tuning may vary."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from baselines.multi_agent import TeamPolicy
from baselines.policy import Policy
from baselines.rules.reference import reference_team, teams_by
from baselines.rules.rolling_reorder_point import lots_to_try
from baselines.rules.stock_rule import StockLevels, StoreRule, Values
from baselines.rules.store import (
    CappedBaseStock,
    ConstantOrder,
    ForecastBaseStock,
    PeriodicReview,
    ReorderPoint,
    ReorderQuantity,
    SeasonalBaseStock,
)
from baselines.rules.warehouse import WarehouseBaseStock, WarehouseRule
from baselines.tuning import FINALISTS, Family, Search
from envs.supply_chain.parameters import SupplyChainParameters

WORK = 1_000_000
"""Most store-days that a round of tuning simulates; scoring the finalists may take three times."""
EPISODES = 20, 500
"""Fewest and most episodes that the finalists are scored on."""
NEWSVENDOR_EPISODES = 200
"""Most held-out periods, one per SKU, that newsvendors are scored on, whose forecasts take long."""
ROUNDS = 3

SAFETY_FACTORS = (-3.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0)
SAFETY_DAYS = (-1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0, 8.0)


def search_of(parameters: SupplyChainParameters) -> Search:
    """Return how much to search: as many episodes as a few seconds allow."""
    store_days = parameters.horizon * parameters.num_stores
    episodes = min(max(3 * WORK // (FINALISTS[0] * store_days), EPISODES[0]), EPISODES[1])
    return Search(episodes, ROUNDS, WORK)


def newsvendor_search(parameters: SupplyChainParameters) -> Search:
    """Return how much to search for one parameter of rules whose forecasts take long."""
    return replace(search_of(parameters), episodes=NEWSVENDOR_EPISODES)


def with_store_rule(team: Policy, change: Callable[[StoreRule], StoreRule]) -> TeamPolicy:
    """Return a team of rules with the stores' own changed."""
    store = team.players["store"] if isinstance(team, TeamPolicy) else team
    if not isinstance(team, TeamPolicy) or not isinstance(store, StoreRule):
        raise TypeError(f"{type(store).__name__} is not a rule of the stores")
    return TeamPolicy({**team.players, "store": change(store)}, team.joint)


def with_free_orders(team: Policy, *, whole: bool = False) -> TeamPolicy:
    """Return a team of rules whose stores order any quantity, or any `whole` number of units."""
    return with_store_rule(team, lambda store: store.in_any_quantity(whole=whole))


@lru_cache(maxsize=64)
def free_family(family: Family, *, whole: bool = False) -> Family:
    """Return the same rules, ordering any quantity, or any `whole` number of units."""
    make = family.make
    return replace(family, make=lambda **v: with_free_orders(make(**v), whole=whole))


def _covers(parameters: SupplyChainParameters) -> tuple[float, ...]:
    """Return days of demand that an inventory position may reasonably cover."""
    days = float(parameters.longest_lead_time + parameters.longest_review_gap)
    shares = (0, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 3, 4, 5)
    return tuple(float(f"{days * share:.3g}") for share in shares)


def _lots(parameters: SupplyChainParameters) -> tuple[float, ...]:
    """Return `lots_to_try`, to 3 digits."""
    return tuple(float(f"{lot:.3g}") for lot in lots_to_try(parameters))


def _covers_of_lots(parameters: SupplyChainParameters) -> tuple[float, ...]:
    """Return `_covers`, and the highest positions reached where orders come in lots [days]."""
    covers = _covers(parameters)
    days = float(parameters.longest_lead_time + parameters.longest_review_gap)
    return _distinct(*covers, *(float(f"{days + lot:.3g}") for lot in _lots(parameters)))


def _distinct(*values: float) -> tuple[float, ...]:
    """Return the values, each once."""
    return tuple(dict.fromkeys(values))


def reorder_point_family(parameters: SupplyChainParameters) -> Family:
    """Return the (s, S) policies, by S and the distance S - s."""

    def make(order_up_to_days: Values, gap_days: Values) -> TeamPolicy:
        reorder_days = np.maximum(order_up_to_days - gap_days, 0.0)
        return reference_team(store=ReorderPoint(reorder_days, order_up_to_days))

    gaps = _distinct(0.0, 0.15, 0.3, 0.6, 1.2, *_lots(parameters))
    grid = {"order_up_to_days": _covers_of_lots(parameters), "gap_days": gaps}
    return Family(make, grid, refined=tuple(grid))


def reorder_quantity_family(parameters: SupplyChainParameters) -> Family:
    """Return the (r, Q) policies."""
    batches = _distinct(0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, *_lots(parameters))
    grid = {"reorder_days": _covers(parameters), "quantity_days": batches}
    return Family(teams_by(ReorderQuantity), grid, refined=tuple(grid))


def periodic_family(parameters: SupplyChainParameters) -> Family:
    """Return the (R, S) policies."""
    lots = (float(max(1, round(lot))) for lot in _lots(parameters))
    periods = _distinct(*(r for r in (1.0, 2.0, 3.0, 7.0, *lots) if r <= parameters.horizon))
    grid = {"review_period": periods, "order_up_to_days": _covers_of_lots(parameters)}
    return Family(teams_by(PeriodicReview), grid, refined=("order_up_to_days",))


def constant_order_family(parameters: SupplyChainParameters) -> Family:
    """Return the constant orders of up to one and a half times the mean demand."""
    del parameters
    return Family(
        teams_by(ConstantOrder),
        {"order_days": (0.0, 0.5, 0.8, 0.9, 1.0, 1.1, 1.5)},
        refined=("order_days",),
    )


def base_stock_family(parameters: SupplyChainParameters) -> Family:
    """Return the base-stock policies on the store's forecast."""
    grid = {"forecast_days": _covers(parameters), "safety_factor": (*SAFETY_FACTORS, 25.0)}
    return Family(teams_by(ForecastBaseStock), grid, refined=("forecast_days", "safety_factor"))


def seasonal_family(parameters: SupplyChainParameters) -> Family:
    """Return the base-stock policies on the known law of demand."""
    del parameters
    grid = {"safety_factor": SAFETY_FACTORS, "safety_days": SAFETY_DAYS}
    return Family(teams_by(SeasonalBaseStock), grid, refined=("safety_factor", "safety_days"))


def capped_family(parameters: SupplyChainParameters) -> Family:
    """Return the base-stock policies on the known law of demand with a cap on the order."""
    del parameters
    caps = (0.75, 1.0, 1.25, 1.5, 2.0, 3.0, float("inf"))
    grid = {"safety_factor": SAFETY_FACTORS, "cap_days": caps}
    return Family(teams_by(CappedBaseStock), grid, refined=tuple(grid))


def warehouse_family(
    parameters: SupplyChainParameters, rule: type[WarehouseRule] = WarehouseBaseStock
) -> Family:
    """Return the base-stock policies of the warehouse, on installation or on echelon stock."""
    return Family(
        teams_by(rule, "warehouse"),
        {"level_days": _warehouse_covers(parameters)},
        refined=("level_days",),
    )


def _warehouse_covers(parameters: SupplyChainParameters) -> tuple[float, ...]:
    lead_time = max(parameters.supplier_lead_time(lane) for lane in parameters.lanes())
    days = lead_time + parameters.longest_lead_time + 1.0
    shares = (0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 5, 8)
    return tuple(float(f"{days * share:.3g}") for share in shares)


def system_family(
    parameters: SupplyChainParameters, rule: type[WarehouseRule] = WarehouseBaseStock
) -> Family:
    """Return seasonal base-stock policies of the stores with a base-stock warehouse.

    With `EchelonBaseStock` these are policies as Clark and Scarf's for a serial system.
    """

    def make(safety_factor: Values, safety_days: Values, level_days: Values) -> TeamPolicy:
        return reference_team(
            store=SeasonalBaseStock(safety_factor, safety_days),
            warehouse=rule(level_days),
        )

    grid = {
        "safety_factor": SAFETY_FACTORS,
        "safety_days": (0.0, 0.5, 1.0),
        "level_days": _warehouse_covers(parameters),
    }
    return Family(make, grid, refined=tuple(grid))


def in_units(parameters: SupplyChainParameters) -> bool:
    """Whether all stores choose among quantities in units, not among multiples of a forecast."""
    return all(lane.store.order_units is not None for lane in parameters.lanes())


def unit_levels(parameters: SupplyChainParameters) -> tuple[float, ...]:
    """Return order-up-to levels from one unit to twice the usual demand of a lead time, and more.

    Whole numbers [units], about a tenth of the largest apart.
    """
    mean = float(parameters.mean_demand().max())
    most = 2.0 * (parameters.longest_lead_time + 1.0) * mean + 10.0
    return tuple(dict.fromkeys(float(round(most * k / 10.0)) for k in range(1, 11)))


def _caps(parameters: SupplyChainParameters) -> tuple[float, ...]:
    """Return largest orders from half of the mean demand on [units]."""
    mean = float(parameters.mean_demand().max())
    shares = (0.5, 1.0, 1.25, 1.5, 2.0, 3.0)
    return tuple(dict.fromkeys(float(max(1, round(mean * share))) for share in shares))


def level_family(parameters: SupplyChainParameters) -> Family:
    """Return the base-stock policies, by their level in units."""
    return Family(teams_by(StockLevels), {"level": unit_levels(parameters)}, ("level",), ("level",))


def capped_level_family(parameters: SupplyChainParameters) -> Family:
    """Return the capped base-stock policies, by level and largest order in units."""
    grid = {"level": unit_levels(parameters), "cap": _caps(parameters)}
    return Family(teams_by(StockLevels), grid, tuple(grid), tuple(grid))


def reorder_level_family(parameters: SupplyChainParameters) -> Family:
    """Return the (s, S) policies in units, by S and the distance S - s."""

    def make(level: Values, gap: Values) -> TeamPolicy:
        return reference_team(store=StockLevels(level, np.maximum(level - gap, 0.0)))

    mean = float(parameters.mean_demand().max())
    lots = [float(max(1, round(mean * lot))) for lot in _lots(parameters)]
    usual = round(mean * (parameters.longest_lead_time + 1.0))
    levels = _distinct(*unit_levels(parameters), *(usual + lot for lot in lots))
    grid = {"level": levels, "gap": _distinct(1.0, *_caps(parameters), *lots)}
    return Family(make, grid, tuple(grid), tuple(grid))
