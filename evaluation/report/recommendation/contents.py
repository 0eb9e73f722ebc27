"""What the report of a recommendation is made of."""

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
    """What the report of a recommendation is made of.

    Attributes
    ----------
    title, sentence : str
        Of the page; the recommendation itself.
    choice, usual : str
        Whom to order by, and what savings are counted against.
    in_words : mapping
        By name what every rule or agent is, for people.
    replays : mapping
        All of them in the evaluation period.
    origins : tuple of date
        First days of the periods that chose.
    split : date
        First day after them, and of the evaluation.
    folds : mapping
        By name the cost per year in each of those periods [money].
    values : mapping
        By name the parameters that were tuned.
    curves : mapping
        By name what more or less stock comes to.
    forecast : ForecastRecord
        Forecasts of the choice beside what came.
    levels : mapping
        By name the order-up-to levels of rules that have any, beside the demand that they were for.
    parameters : SupplyChainParameters
        Of the problem.
    facts : mapping
        Texts for the page's end by heading.
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
        """What the choice did."""
        return self.replays[self.choice]

    @property
    def other(self) -> Replay:
        """What the usual rule did; of equals, it is the choice."""
        return self.replays[self.usual]

    @property
    def span(self) -> str:
        """What to call the time of the evaluation."""
        periods, first = self.table.periods, self.own.first_day
        return periods.span(first, periods.date(periods.number(first) + self.own.days - 1))

    @cached_property
    def saved(self) -> dict[str, Interval]:
        """What each saves per year against the usual rule."""
        return {name: saved_per_year([one], [self.other]) for name, one in self.replays.items()}

    @cached_property
    def ranked(self) -> list[str]:
        """All names, the cheapest in the evaluation period first."""
        return sorted(self.replays, key=lambda name: self.replays[name].cost_per_year)

    @cached_property
    def bad_weeks(self) -> list[BadWeek]:
        """The dearest weeks of the choice."""
        return worst_weeks(self.own, self.other, BAD_WEEKS)

    @cached_property
    def other_costs(self) -> list[OtherCosts]:
        """What all would cost if costs were others."""
        return other_costs(self.replays)

    @cached_property
    def stock_value(self) -> StockValue | None:
        """What the stock of the choice was worth, where unit costs are known."""
        return stock_value(self.own, self.parameters)

    def place(self, sku: int, store: int) -> str:
        """Return the names of a product and a store, as far as there are several."""
        names = [self.table.skus[sku]] if len(self.table.skus) > 1 else []
        names += [self.table.stores[store]] if len(self.table.stores) > 1 or not names else []
        return ", ".join(names)

    def colour(self, name: str) -> str:
        """Return the colour of a policy: the choice's own, and of the others one each."""
        if name == self.choice:
            return AGENT
        return rival_colour([n for n in self.replays if n != self.choice].index(name))
