"""What agents cost a day beside rules, where returns are money and demand is that of a file."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from evaluation.statistics import Estimator

CHECKPOINT, OWN = "checkpoint", "actual_orders"
OUT_OF_RANK = (OWN, "random")
"""What is no rule that could have been chosen."""


@dataclass(frozen=True)
class Saving:
    """What the agents save against one rule.

    Attributes
    ----------
    cost : float
        Of the rule, per store and day [money].
    saved : float
        Share of it by which the agents cost less, negative where they cost more.
    ci95 : tuple of float
        Its 95% interval, paired on the same episodes: over windows of days and, where there are
        several, over seeds.
    fill_rate : float
        Of the rule.
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
        Means over them; the cost is per store and day [money].
    savings : dict
        By rule.
    """

    agents: tuple[str, ...]
    cost: float
    fill_rate: float
    savings: dict[str, Saving]

    @property
    def rivals(self) -> dict[str, str]:
        """What to call the rules worth naming: best tuned, cheapest, the stores' own orders."""
        rules = [n for n in self.savings if n not in OUT_OF_RANK and not n.endswith("_free")]
        tuned = [name for name in rules if name.startswith("tuned_")]
        named = {OWN: "the stores' own past orders"} if OWN in self.savings else {}
        if rules:
            named = {self._cheapest(rules): "the cheapest rule", **named}
        if tuned:
            named = {self._cheapest(tuned): "the best tuned rule", **named}
            named[self._cheapest(tuned)] = "the best tuned rule"
        return named

    def _cheapest(self, rules: list[str]) -> str:
        return min(rules, key=lambda name: self.savings[name].cost)

    def told(self, rival: str, who: str | None = None) -> str:
        """Return a sentence on the agents, called `who`, beside a rule."""
        if who is None:
            who = self.agents[0] if len(self.agents) == 1 else f"A mean of {len(self.agents)} seeds"
        one = self.savings[rival]
        low, high = (100 * bound for bound in one.ci95)
        chance = "" if low > 0 or high < 0 else ", so it may be chance"
        much = f"{100 * abs(one.saved):.1f}% {'cheaper' if one.saved >= 0 else 'dearer'}"
        fill = f"{100 * self.fill_rate:.1f}% against {100 * one.fill_rate:.1f}%"
        return (
            f"{who} is {much} than {rival}, {self.rivals.get(rival, 'a rule')} (95% interval of "
            f"the saving {low:+.1f}% to {high:+.1f}%{chance}): {self.cost:,.2f} per store and day "
            f"against {one.cost:,.2f}, at a fill rate of {fill}."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        savings = {
            name: {
                "cost_per_day": one.cost,
                "saved": one.saved,
                "saved_ci95": list(one.ci95),
                "fill_rate": one.fill_rate,
            }
            for name, one in self.savings.items()
        }
        about = {"cost_per_day": self.cost, "fill_rate": self.fill_rate}
        return {"agents": list(self.agents), **about, "rivals": savings}


def savings_of(parameters: Any, results: Mapping[str, Any], estimator: Estimator) -> Savings | None:
    """Return what the agents save; None without agents, or where returns are not money of a file.

    Parameters
    ----------
    parameters : FrozenModel
        Of the episodes.
    results : mapping
        Results by policy, as in `evaluation.comparison.Comparison`; agents are ``checkpoint`` and
        ``seed_0``, ``seed_1`` ...
    estimator : callable
        From one value per episode to its mean.
    """
    agents = tuple(name for name in results if name == CHECKPOINT or name.startswith("seed_"))
    paid = getattr(parameters, "objective", "") == "cost" and parameters.demand_data is not None
    if not agents or not paid:
        return None
    days = parameters.horizon - parameters.warmup_days
    own = np.stack([results[name].returns for name in agents])
    seeds = own.mean(axis=1)
    over_seeds = 0.0
    if len(agents) > 1:
        se = float(seeds.std(ddof=1)) / math.sqrt(len(agents))
        over_seeds = float(stats.t.ppf(0.975, len(agents) - 1)) * se
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
    return Savings(agents, float(-seeds.mean()) / days, fill_rate, savings)
