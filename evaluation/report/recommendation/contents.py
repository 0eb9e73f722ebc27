"""The contents of a recommendation's report."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from demand.table import DemandTable
from evaluation.business.economics import OtherCosts, StockValue, other_costs, stock_value
from evaluation.business.forecasts import ForecastRecord
from evaluation.business.levels import LevelRecord
from evaluation.business.service_curve import ServicePoint
from evaluation.business.weeks import BadWeek, worst_weeks
from evaluation.replay import Interval, Replay, saved_per_year
from evaluation.report.theme import AGENT, rival_colour

BAD_WEEKS = 8


@dataclass(frozen=True)
class RecommendationContents:
    """The contents of a recommendation's report.

    Attributes
    ----------
    title, sentence : str
        Title of the page, and the recommendation itself.
    choice, usual : str
        The recommended policy, and the one that savings are measured against.
    in_words : mapping
        Description of every rule or agent by name.
    replays : mapping
        Their replays of the evaluation period.
    origins : tuple of date
        First days of the periods by which the policy was chosen.
    split : date
        First day after them, which is the first one of the evaluation.
    folds : mapping
        Cost per year in each of those periods, by name [money].
    values : mapping
        Tuned parameters by name.
    curves : mapping
        Service and cost with more or less stock, by name.
    forecast : ForecastRecord
        Forecasts of the choice and the actual demand.
    levels : mapping
        Order-up-to levels of rules that have any, by name, and the demand that they had to cover.
    parameters : SupplyChainParameters
        Parameters of the problem.
    facts : mapping
        Texts for the end of the page by heading.
    """

    title: str
    sentence: str
    choice: str
    usual: str
    in_words: Mapping[str, str]
    replays: Mapping[str, Replay]
    origins: tuple[dt.date, ...]
    split: dt.date
    folds: Mapping[str, list[float]]
    values: Mapping[str, Mapping[str, Any]]
    curves: Mapping[str, list[ServicePoint]]
    forecast: ForecastRecord
    levels: Mapping[str, LevelRecord]
    parameters: Any
    facts: Mapping[str, str]

    @property
    def table(self) -> DemandTable:
        """The demand file, with the names of stores and products."""
        table: DemandTable = self.parameters.history.table
        return table

    @property
    def own(self) -> Replay:
        """The replay of the choice."""
        return self.replays[self.choice]

    @property
    def other(self) -> Replay:
        """The replay of the usual rule, which may be the choice itself."""
        return self.replays[self.usual]

    @property
    def span(self) -> str:
        """What to call the time of the evaluation."""
        periods, first = self.table.periods, self.own.first_day
        return periods.span(first, periods.date(periods.number(first) + self.own.days - 1))

    @cached_property
    def saved(self) -> dict[str, Interval]:
        """Savings of each per year against the usual rule."""
        return {name: saved_per_year([one], [self.other]) for name, one in self.replays.items()}

    @cached_property
    def ranked(self) -> list[str]:
        """All names, the cheapest in the evaluation period first."""
        return sorted(self.replays, key=lambda name: self.replays[name].cost_per_year)

    @cached_property
    def bad_weeks(self) -> list[BadWeek]:
        """The most expensive weeks of the choice."""
        return worst_weeks(self.own, self.other, BAD_WEEKS)

    @cached_property
    def other_costs(self) -> list[OtherCosts]:
        """Costs of all policies if unit costs were different."""
        return other_costs(self.replays)

    @cached_property
    def stock_value(self) -> StockValue | None:
        """The value of the choice's stock, if unit costs are known."""
        return stock_value(self.own, self.parameters)

    def place(self, sku: int, store: int) -> str:
        """Return the names of a product and a store, each only if there are several."""
        names = [self.table.skus[sku]] if len(self.table.skus) > 1 else []
        names += [self.table.stores[store]] if len(self.table.stores) > 1 or not names else []
        return ", ".join(names)

    def colour(self, name: str) -> str:
        """Return the colour of a policy: the choice has its own, each of the others another."""
        if name == self.choice:
            return AGENT
        return rival_colour([n for n in self.replays if n != self.choice].index(name))
