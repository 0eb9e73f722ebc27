"""The rows of the supply chain's observation: which entries each agent has, and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from demand.forecasts.smoothing import Smoothing
from demand.known_demand import KnownDemand, entry_names
from envs.supply_chain.observation_kernels import COMPACT, full_names
from envs.supply_chain.order_limits import store_positions

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
MAX_SHORTAGE = 10.0
"""Bound of a shortfall shown in shares of an order's unit, either way."""

FORECAST_ENTRIES = (
    "forecast until the next order arrives",
    "deviation around the smoothed level",
    "smoothed level",
    "forecast less inventory position",
    "the same in shares of an order's unit",
)
"""Amounts are divided by the store's level; an order's unit is the mean of the last days."""


@dataclass(frozen=True)
class ForecastEntries:
    """A morning's forecast as entries of an observation.

    Attributes
    ----------
    smoothing : Smoothing
        The forecast.
    lead_time : int
        Lead time of the stores (L) [days].
    """

    smoothing: Smoothing
    lead_time: int

    def entries(
        self, past: KnownDemand, day: int, sku: Whole, gap: Whole, sites: Any, pipelines: Floats
    ) -> Floats:
        """Return `FORECAST_ENTRIES`, shape (entries, worlds, N).

        Parameters
        ----------
        past, day
            The demand known so far, and the day of the episode.
        sku, gap : ndarray
            Each world's SKU, and its days to the next day of review, shape (worlds,).
        sites, pipelines : ndarray
            As in `envs.supply_chain.dynamics.step_batch`.
        """
        fitted = self.smoothing.fit(past, day, sku)
        coming = fitted.level * fitted.coming(self.lead_time + gap)
        missing = coming - store_positions(sites, pipelines)
        entries = np.empty((len(FORECAST_ENTRIES), *coming.shape))
        amounts = coming, fitted.deviation, fitted.level, missing
        np.divide(amounts, past.level, out=entries[:4])
        np.clip(missing / sites["forecast"], -MAX_SHORTAGE, MAX_SHORTAGE, out=entries[4])
        return entries


ITEM_ENTRIES = (
    "critical fractile",
    "stockout cost over holding cost, logarithm",
    "least order",
    "mean demand over shelf capacity",
    "economic order quantity",
    "waste cost over waste and stockout cost",
)
"""Amounts are divided by the store's level."""
MOST_DAYS = 100.0
"""Bound of an order as shown, in days of demand."""
LEAST_COST = 1e-6


@dataclass(frozen=True)
class ItemEntries:
    """What an items file says of a SKU at a store as entries of an observation.

    Attributes
    ----------
    fractile, ratio : ndarray
        ``p / (p + h)`` and ``log10(p / h)`` of stockout and holding cost, shape (SKUs, N).
    least_order, shelf_capacity : ndarray
        Shape (SKUs, N) [units].
    order_over_holding : ndarray
        Cost of an order over holding cost, shape (SKUs, N) [units].
    waste : ndarray
        ``w / (w + p)`` of waste and stockout cost, shape (SKUs, N).
    """

    fractile: Floats
    ratio: Floats
    least_order: Floats
    shelf_capacity: Floats
    order_over_holding: Floats
    waste: Floats

    @classmethod
    def of(cls, values: Mapping[str, Floats]) -> "ItemEntries":
        """Return the entries of `SupplyChainParameters.item_values`."""
        under, over = (np.maximum(values[f"{x}_cost"], LEAST_COST) for x in ("stockout", "holding"))
        return cls(
            fractile=under / (under + over),
            ratio=np.log10(under / over),
            least_order=values["least_order"],
            shelf_capacity=values["shelf_capacity"],
            order_over_holding=values["fixed_cost"] / over,
            waste=values["waste_cost"] / (values["waste_cost"] + under),
        )

    def entries(self, level: Floats, sku: Whole) -> Floats:
        """Return `ITEM_ENTRIES` of worlds with levels of demand, shape (entries, worlds, N)."""
        least = np.minimum(self.least_order[sku] / level, MOST_DAYS)
        lot = np.minimum(np.sqrt(2.0 * self.order_over_holding[sku] / level), MOST_DAYS)
        full = level / self.shelf_capacity[sku]
        return np.stack([self.fractile[sku], self.ratio[sku], least, full, lot, self.waste[sku]])


Tier = Literal["store", "warehouse", "supplier"]
TIERS: tuple[Tier, ...] = ("store", "warehouse", "supplier")
REVIEW_ENTRIES = ("may order today", "weeks to the next review")
WASTE_ENTRY = "expected waste"


@dataclass(frozen=True)
class ObservationLayout:
    """Entries of the observation of all agents of a world.

    Attributes
    ----------
    num_stores : int
        Number of stores (N).
    full : bool
        Whether the full observation is shown, not the compact one.
    store_slots, warehouse_slots : int
        Coming mornings whose arrivals the full observation shows one by one.
    past : bool
        Whether stores see the demand of a file (`demand.history`) and a forecast of it
        (`envs.supply_chain.observation`).
    items : bool
        Whether stores see the values that an items file gives them.
    longest_gap : int
        Most days from one day of review to the next; if it is not 1, the full observation shows
        stores whether they may order today, and when they may order next.
    shelf_life : int
        Longest shelf life [days]; if it is not 0, the full observation shows stores their stock by
        age, oldest first, and their expected waste before an order of today is of use.
    time : bool
        Whether the share of the episode that has passed is appended for every agent.
    """

    num_stores: int
    full: bool
    store_slots: int
    warehouse_slots: int
    past: bool
    items: bool
    longest_gap: int
    shelf_life: int
    time: bool

    @property
    def agents(self) -> tuple[str, ...]:
        """Agents in the order of their entries: stores, warehouse, supplier."""
        return (*(f"store_{i + 1}" for i in range(self.num_stores)), "warehouse", "supplier")

    @cached_property
    def plain(self) -> dict[str, tuple[str, ...]]:
        """Entries that `envs.supply_chain.observation_kernels` writes, by tier."""
        return full_names(self.store_slots, self.warehouse_slots) if self.full else COMPACT

    @cached_property
    def added(self) -> tuple[str, ...]:
        """Entries of a store that are appended to those."""
        known = (*entry_names(self.ahead), *FORECAST_ENTRIES) if self.past else ()
        known = (*known, *(ITEM_ENTRIES if self.items else ()))
        slots = [f"expires_{k + 1}" for k in range(self.shelf_life)] if self.perishes else []
        aged = (*slots, WASTE_ENTRY) if self.perishes else ()
        return (*known, *(REVIEW_ENTRIES if self.reviews else ()), *aged)

    @property
    def perishes(self) -> bool:
        """Whether stores see their stock by age."""
        return self.full and self.shelf_life > 0

    @property
    def reviews(self) -> bool:
        """Whether stores see their days of review."""
        return self.full and self.longest_gap > 1

    @property
    def ahead(self) -> int:
        """Coming days whose demand in earlier weeks is shown: those that an order is to cover.

        One day more than that, and at most a week if only the days of review reach further.
        """
        usual = self.store_slots + 2
        return usual if self.longest_gap == 1 else max(usual, min(usual + self.longest_gap - 1, 7))

    @cached_property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Entries of one agent's observation, by tier."""
        time = ("time passed",) if self.time else ()
        added = {"store": self.added}
        return {tier: (*self.plain[tier], *added.get(tier, ()), *time) for tier in TIERS}

    def size(self, names: dict[str, tuple[str, ...]]) -> int:
        """Return the length of a row of all agents with entries `names`."""
        return sum(len(names[tier]) * (self.num_stores if tier == "store" else 1) for tier in TIERS)

    def room(self, num_worlds: int) -> NDArray[np.float32]:
        """Return rows of zeros."""
        return np.zeros((num_worlds, self.size(self.names)), np.float32)

    def complete(
        self, rows: NDArray[np.float32], added: Sequence[NDArray[Any]], share: float
    ) -> None:
        """Write the entries into rows that `envs.supply_chain.observation_kernels` does not.

        Parameters
        ----------
        rows : ndarray
            As returned by `room`.
        added : sequence of ndarray
            The stores' further entries, in the order of `added`, shape (entries, worlds, N) each.
        share : float
            Share of the episode that has passed.
        """
        tiers = self.by_tier(rows)
        at = len(self.plain["store"])
        for part in added:
            tiers["store"][..., at : at + len(part)] = np.moveaxis(part, 0, -1)
            at += len(part)
        if self.time:
            for part in tiers.values():
                part[..., -1] = share

    def by_tier(self, observation: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return each tier's part of rows, shapes (worlds, N, size) and twice (worlds, size).

        They are views: writing into them changes the rows.
        """
        sizes = [len(self.names[tier]) for tier in TIERS]
        stores = observation[:, : self.num_stores * sizes[0]]
        rest = observation[:, self.num_stores * sizes[0] :]
        return {
            "store": stores.reshape(len(observation), self.num_stores, sizes[0]),
            "warehouse": rest[:, : sizes[1]],
            "supplier": rest[:, sizes[1] :],
        }
