"""What a policy costs a day, beside the cheapest tuned rule."""

from collections.abc import Mapping
from typing import Any

from evaluation.statistics import Estimate


def money_notes(parameters: Any, results: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a sentence on every agent where returns are money, of demand from a file.

    Parameters
    ----------
    parameters : SupplyChainParameters
        Of the episodes; others have nothing to tell.
    results : mapping
        Results by policy, as in `evaluation.comparison.Comparison`.
    """
    if getattr(parameters, "objective", "") != "cost" or parameters.demand_data is None:
        return ()
    days = parameters.horizon - parameters.warmup_days
    cost = {name: -result.estimate.mean / days for name, result in results.items()}
    rivals = [name for name in results if name.startswith(("tuned_", "newsvendor_"))]
    notes = []
    if rivals:
        best = min(rivals, key=lambda name: cost[name])
        for name in results:
            if name == "checkpoint" or name.startswith("seed"):
                notes.append(_against(name, best, cost, results, days))
    return tuple(notes)


def _against(
    name: str, best: str, cost: Mapping[str, float], results: Mapping[str, Any], days: int
) -> str:
    own, theirs = results[name], results[best]
    saved: Estimate = own.paired[best]
    scale = 100.0 / (days * cost[best]) if cost[best] > 0 else 0.0
    low, high = (bound * scale for bound in saved.ci95)
    fill = [100.0 * result.metrics["fill_rate"] for result in (own, theirs)]
    less = saved.mean * scale
    return (
        f"Money per store and day: {name} {cost[name]:,.2f}, {best} (the cheapest rule) "
        f"{cost[best]:,.2f}: {abs(less):.1f}% {'less' if less >= 0 else 'more'}, saving "
        f"[{low:+.1f}%, {high:+.1f}%] at 95%; fill rate {fill[0]:.1f}% against {fill[1]:.1f}%."
    )
