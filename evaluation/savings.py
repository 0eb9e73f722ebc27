"""What agents cost compared with rules, where returns are money and demand is from a file."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from demand.dates import PeriodName
from evaluation.statistics import Estimator, t_quantile, verdict

PERIODS_A_YEAR: dict[PeriodName, float] = {"day": 365, "week": 365 / 7, "month": 12}


@dataclass(frozen=True)
class Business:
    """The size of a business: an episode is about one SKU, and its return is a mean over stores.

    Attributes
    ----------
    stores, skus : int
        Numbers of stores and SKUs.
    period : {"day", "week", "month"}
        The period that is called a day in the names of costs.
    """

    stores: int
    skus: int
    period: PeriodName = "day"

    def costs(self, cost: float) -> dict[str, float]:
        """Return a cost per store, SKU and day [money] in other units, by name."""
        a_day = cost * self.stores * self.skus
        return {
            "business_per_day": a_day,
            "business_per_year": PERIODS_A_YEAR[self.period] * a_day,
            "store_per_day": cost * self.skus,
            "sku_per_day": cost * self.stores,
        }


@dataclass(frozen=True)
class Saving:
    """What the agents save against one rule.

    Attributes
    ----------
    cost : float
        Cost of the rule per store, SKU and day [money].
    saved : float
        Share of it by which the agents cost less, negative where they cost more.
    ci95 : tuple of float
        The 95% interval of the money saved, paired on the same episodes, as a share of the rule's
        mean cost there: over windows of days and, where there are several, over seeds. It ignores
        that the rule's own cost would differ on other days.
    fill_rate : float
        Fill rate of the rule.
    """

    cost: float
    saved: float
    ci95: tuple[float, float]
    fill_rate: float


@dataclass(frozen=True)
class Savings:
    """The agents, one or several seeds of a recipe, and what they save.

    Attributes
    ----------
    agents : tuple of str
        Their names.
    cost, fill_rate : float
        Means over them; the cost is per store, SKU and day [money].
    savings : dict
        Savings by rule.
    past_orders : str or None
        The name of the orders actually placed in the past, if they were played.
    business : Business
        Size of the business.
    """

    agents: tuple[str, ...]
    cost: float
    fill_rate: float
    savings: dict[str, Saving]
    past_orders: str | None
    business: Business

    def sentence(self, rule: str, who: str) -> str:
        """Return a sentence that compares the agents, called `who`, with a rule."""
        one = self.savings[rule]
        low, high = (100 * bound for bound in one.ci95)
        what = "the stores' own past orders" if rule == self.past_orders else "the best rule"
        much = f"{100 * abs(one.saved):.1f}% {'less' if one.saved >= 0 else 'more'}"
        own, theirs = self.business.costs(self.cost), self.business.costs(one.cost)
        day, year = (
            f"{own[name]:,.{digits}f} against {theirs[name]:,.{digits}f} a {span}"
            for name, span, digits in (
                ("business_per_day", self.business.period, 2),
                ("business_per_year", "year", 0),
            )
        )
        fill = f"{100 * self.fill_rate:.1f}% against {100 * one.fill_rate:.1f}%"
        return (
            f"{who} {verdict(*one.ci95)} {rule}, {what}: it costs {much} (95% interval of the "
            f"saving {low:+.1f}% to {high:+.1f}%). The whole business costs {day}, {year}, at a "
            f"fill rate of {fill}."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        savings = {
            name: {
                "cost_per_day": one.cost,
                **self.business.costs(one.cost),
                "saved": one.saved,
                "saved_ci95": list(one.ci95),
                "fill_rate": one.fill_rate,
            }
            for name, one in self.savings.items()
        }
        about = {"cost_per_day": self.cost, **self.business.costs(self.cost)}
        about["fill_rate"] = self.fill_rate
        return {"agents": list(self.agents), **about, "rivals": savings}


def business_of(parameters: Any) -> Business | None:
    """Return the size of a business, None where returns are not its costs."""
    if getattr(parameters, "objective", "") != "cost":
        return None
    history = getattr(parameters, "history", None)
    period: PeriodName = "day" if history is None else history.table.period
    return Business(parameters.num_stores, len(parameters.sku), period)


def savings_of(parameters: Any, results: Mapping[str, Any], estimator: Estimator) -> Savings | None:
    """Return what the agents save, or None.

    None without agents, or unless returns are money and demand comes from a file.

    Parameters
    ----------
    parameters : FrozenModel
        Parameters of the episodes.
    results : mapping
        Results by policy, as in `evaluation.comparison.Comparison`.
    estimator : callable
        Estimates the mean from one value per episode.
    """
    business, roles = business_of(parameters), {n: r.kind.role for n, r in results.items()}
    agents = tuple(name for name, role in roles.items() if role == "agent")
    if not agents or business is None or parameters.demand_data is None:
        return None
    days = parameters.horizon - parameters.warmup_days
    own = np.stack([results[name].returns for name in agents])
    seeds = own.mean(axis=1)
    over_seeds = 0.0
    if len(agents) > 1:
        se = float(seeds.std(ddof=1)) / math.sqrt(len(agents))
        over_seeds = t_quantile(len(agents) - 1) * se
    savings = {}
    for name, result in results.items():
        cost = -result.estimate.mean
        if name in agents or cost <= 0:
            continue
        less = estimator(own.mean(axis=0) - result.returns)
        half = math.hypot(less.half_width, over_seeds)
        bounds = (less.mean - half) / cost, (less.mean + half) / cost
        fill_rate = result.metrics["fill_rate"]
        savings[name] = Saving(cost / days, less.mean / cost, bounds, fill_rate)
    fill_rate = float(np.mean([results[name].metrics["fill_rate"] for name in agents]))
    past = next((name for name in savings if roles[name] == "past_orders"), None)
    return Savings(agents, float(-seeds.mean()) / days, fill_rate, savings, past, business)
