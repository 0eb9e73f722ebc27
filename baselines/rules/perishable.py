r"""Rules for perishable goods, which take the expected waste into account.

Units that expire before an order of today can be sold are in the inventory position IP, but serve
none of the demand that the order is to cover. With EW their number if every day has its mean demand
(`SupplyChainBatch.expected_waste`), a rule that acts on ``IP - EW`` replaces them in time.

References
----------
Broekmeulen and van Donselaar (2009), A heuristic to manage perishable inventory with batch
ordering, positive lead-times, and time-varying demand, Computers & Operations Research 36(11);
Haijema and Minner (2019), Improved ordering of perishables: the value of stock-age information,
International Journal of Production Economics 209.
"""

import copy
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from baselines.multi_agent import TeamPolicy
from baselines.policy import Policy
from baselines.rules.families import in_units, search_of, unit_levels, with_store_rule
from baselines.rules.lead_time_demand import critical_fractile, demand_quantile
from baselines.rules.reference import reference_team
from baselines.rules.stock_rule import StoreRule, Values
from baselines.solvers.perishable.value_iteration import PerishableOrders
from baselines.tuned_rules import TunedRule
from baselines.tuning import Family
from common.errors import InputError
from envs.batch import Batch
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters


class CountingWaste(StoreRule):
    """Another rule of the stores, given ``IP - EW`` as the inventory position.

    Applied to a base-stock policy this is the policy BSP-EW: order ``S - IP + EW``.

    Parameters
    ----------
    rule : StoreRule
        The other rule.
    """

    def __init__(self, rule: StoreRule) -> None:
        super().__init__(**rule.values)
        self.rule = rule

    def __repr__(self) -> str:
        return f"{self.rule!r}, counting on waste" + (", in any quantity" if self.free else "")

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        super().bind(batch)
        self._bound = copy.copy(self.rule)
        self._bound.bind(batch)

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        return self._bound._wanted(chain, position - chain.expected_waste())


class LowStockLevels(StoreRule):
    """BSP-low-EW: a base-stock policy that counts on waste and orders less when stock is low.

    With IP of at least b it orders ``S2 - IP + EW``, below that ``S1 - a IP + EW``, where
    ``a = (S1 - S2 + b) / b``, so that what it orders rises in a straight line from ``S2 - b`` at b
    to S1 without any stock.

    Parameters
    ----------
    level : array_like
        S2, the base-stock level [units].
    lowered : array_like
        S2 - S1, by how much the order is reduced when there is no stock at all [units].
    threshold : array_like
        b [units]; with 0 the rule is BSP-EW.

    References
    ----------
    Haijema and Minner (2019), as above; De Moor, Gijsbrechts and Boute (2022), Reward shaping to
    improve the performance of deep reinforcement learning in perishable inventory management,
    European Journal of Operational Research 301(2).
    """

    at_least_zero = ("level", "lowered", "threshold")

    def __init__(self, level: ArrayLike, lowered: ArrayLike, threshold: ArrayLike) -> None:
        super().__init__(level=level, lowered=lowered, threshold=threshold)

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        b = self._columns["threshold"]
        share = np.clip(1.0 - position / np.where(b > 0.0, b, 1.0), 0.0, 1.0) * (b > 0.0)
        less = self._columns["lowered"] * share
        wanted: Values = self._columns["level"] - less - position + chain.expected_waste()
        return wanted


class OneDayNewsvendor(StoreRule):
    """Newsvendor for a shelf life of one day: order ``F^-1(u / (u + o))``, F of the day of arrival.

    Nothing on hand or in transit is left for that day, so that every day is a newsvendor problem of
    its own: with unlimited supply and lost sales no policy is better. If the objective is cost,
    ``u = p - c`` and ``o = w + c``, with stockout, unit and waste cost; if it is reconciliation,
    these are weighted, and c does not count
    (`baselines.rules.lead_time_demand.critical_fractile`). What the warehouse owes the store is
    subtracted.

    References
    ----------
    Arrow, Harris and Marschak (1951), Optimal inventory policy, Econometrica 19(3).
    """

    def _prepare(self, parameters: SupplyChainParameters) -> None:
        lanes = parameters.lanes()
        if any(lane.store.shelf_life != 1 for lane in lanes) or parameters.history is not None:
            raise InputError("newsvendor_one_day: needs store.shelf_life=1 and a law of demand")
        means, stds = parameters.demand_moments()
        self._quantity = np.zeros_like(means)
        for k, lane in enumerate(lanes):
            law = (critical_fractile(parameters, lane, means[k]), *(x[k] for x in (means, stds)))
            days = np.arange(len(means[k])) + lane.store.lead_time
            arrive = days < len(means[k])
            fractile, mean, std = law[0][arrive], law[1][days[arrive]], law[2][days[arrive]]
            found = demand_quantile(lane.sku.demand_model, fractile, mean, std)
            self._quantity[k, arrive] = found

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        wanted: Values = self._by_world(self._quantity[:, chain.day])
        return np.asarray(wanted - chain.sites["backorders"])


class SolvedPerishable(StoreRule):
    """Order by the exact solution of a store with perishable goods.

    Parameters
    ----------
    solved : PerishableOrders
        Solution for the batch's only store.
    """

    def __init__(self, solved: PerishableOrders) -> None:
        super().__init__()
        self._solved = solved

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        ahead = self._solved.store.lead_time - 1
        ages = np.rint(chain.ages[:, 0]).astype(np.int64)
        under_way = np.rint(chain.pipelines[:, 0, :ahead]).astype(np.int64)
        return self._solved.order(ages, under_way)[:, None].astype(np.float64)


COUNTED = (
    *("tuned_reorder_point", "tuned_base_stock", "tuned_seasonal", "tuned_capped", "tuned_level"),
    *("tuned_weekday", "tuned_smoothing"),
)
"""Baselines that, where goods perish, have a variant counting on expected waste."""


def counting_waste(team: Policy) -> TeamPolicy:
    """Return a team of rules whose stores count on expected waste."""
    return with_store_rule(team, CountingWaste)


def counting_family(rule: TunedRule, parameters: SupplyChainParameters) -> Family:
    """Return the family of a tuned rule, counting on expected waste."""
    family = rule.family(parameters)
    return replace(family, make=lambda **values: counting_waste(family.make(**values)))


def low_level_family(parameters: SupplyChainParameters) -> Family:
    """Return the policies BSP-low-EW, by levels in units; BSP-EW is one of them."""

    def make(level: Values, lowered: Values, threshold: Values) -> TeamPolicy:
        return reference_team(store=LowStockLevels(level, lowered, threshold))

    mean = float(parameters.mean_demand().max())
    less = tuple(dict.fromkeys(float(round(mean * share)) for share in (0, 0.25, 0.5, 1, 1.5)))
    levels = unit_levels(parameters)
    grid = {"level": levels, "lowered": less, "threshold": (0.0, *levels[::2])}
    return Family(make, grid, tuple(grid), tuple(grid))


def perishable_baselines(
    parameters: SupplyChainParameters, own: Mapping[str, object]
) -> dict[str, TunedRule]:
    """Return the additional tuned rules for perishable goods.

    Parameters
    ----------
    parameters : SupplyChainParameters
        Parameters with perishable goods.
    own : mapping
        All other baselines.
    """
    counted = {name: own[name] for name in COUNTED if name in own}
    found = {
        f"{name}_ew": TunedRule(partial(counting_family, rule), search_of=rule.search_of)
        for name, rule in counted.items()
        if isinstance(rule, TunedRule)
    }
    if in_units(parameters):
        found["tuned_low_level_ew"] = TunedRule(low_level_family, search_of=search_of)
    return found


def keeps_a_day(parameters: SupplyChainParameters) -> bool:
    """Whether all goods have a shelf life of one day, and the law of their demand is known."""
    lanes = parameters.lanes()
    return parameters.demand_data is None and all(lane.store.shelf_life == 1 for lane in lanes)


def one_day_newsvendor(parameters: SupplyChainParameters, seed: int) -> TeamPolicy:
    """Return stores that order as the newsvendor for a shelf life of one day."""
    del parameters, seed
    return reference_team(store=OneDayNewsvendor())
