"""The mean of two rules, which are off in different ways."""

import copy

import numpy as np

from baselines.multi_agent import TeamPolicy
from baselines.rules.forecast import HistoryRule, RollingBaseStock, rolling_family
from baselines.rules.reference import reference_team
from baselines.rules.rolling_newsvendor import RollingNewsvendor
from baselines.rules.stock_rule import Values
from baselines.tuning import Family
from demand.forecasts.forecast import ForecastName
from envs.batch import Batch
from envs.supply_chain.batch import SupplyChainBatch


class CombinedRule(HistoryRule):
    """Order up to the mean of the levels of other rules, as each has it from the same stock.

    Levels of rules that learn from different days, or in different ways, are wrong in different
    ways, which a mean evens out in part.

    Parameters
    ----------
    *rules : HistoryRule
        The rules; the first one's forecast is taken for that of the mean.

    References
    ----------
    Clemen (1989), Combining forecasts: a review and annotated bibliography, International Journal
    of Forecasting 5(4) (equal weights are hard to beat).
    """

    def __init__(self, *rules: HistoryRule) -> None:
        super().__init__(rules[0].forecast)
        self._rules = rules

    def __repr__(self) -> str:
        how = super().__repr__().partition(")")[2]
        return f"{type(self).__name__}({', '.join(map(repr, self._rules))}){how}"

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on."""
        super().bind(batch)
        self._bound = [copy.copy(rule) for rule in self._rules]
        for rule in self._bound:
            rule.bind(batch)

    def _wanted(self, chain: SupplyChainBatch, position: Values) -> Values:
        del position
        return np.asarray(np.mean([rule.wanted(chain) for rule in self._bound], axis=0))


def combined_family(forecast: ForecastName, base_stock: ForecastName) -> Family:
    """Return the means of a newsvendor rule and base-stock policies, each on its own forecast.

    The base stock is tuned by itself: together with the newsvendor it would be tuned to make up for
    what that is off by on training days.
    """
    alone = rolling_family(base_stock)

    def make(cover: Values, safety_factor: Values) -> TeamPolicy:
        tuned = RollingBaseStock(base_stock, cover, safety_factor)
        return reference_team(store=CombinedRule(RollingNewsvendor(forecast), tuned))

    return Family(make, alone.grid, alone.refined, alone=alone)
