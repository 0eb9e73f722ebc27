"""The result in a sentence: whether the agent beats the best rule."""

from evaluation.comparison import AGENT_NAME, RECOMMENDED, Comparison
from evaluation.seeds import SeedStatistics
from evaluation.statistics import decimals, number, verdict


def subject(seeds: SeedStatistics | None, name: str = AGENT_NAME) -> str:
    """Return whom sentences are about: the agent, the recipe over its seeds, or a rule."""
    if seeds is None:
        return "The recommended rule" if name == RECOMMENDED else "The agent"
    failed = f" ({len(seeds.failed)} failed)" if seeds.failed else ""
    return f"The recipe, over {len(seeds.seeds)} seeds{failed},"


def difference(
    comparison: Comparison, seeds: SeedStatistics | None, agent: str, rival: str
) -> tuple[float, float, float, int]:
    """Return the agent, or the recipe, less a rival: mean, 95% interval, decimals worth showing."""
    if seeds is not None:
        over = seeds.rivals[rival].difference
        low, high = over.ci95 or (over.value, over.value)
        return over.value, low, high, decimals(r.estimate for r in comparison.policies.values())
    paired = comparison.policies[agent].paired[rival]
    return paired.mean, *paired.ci95, decimals([paired])


def headline(comparison: Comparison, seeds: SeedStatistics | None = None) -> str | None:
    """Return whether the agent beats the best rule, None without an agent or a rule.

    Where returns are money of a file, it is in money, also against the stores' past orders.
    """
    rival, agents, savings = comparison.rival, comparison.agents, comparison.savings
    if rival is None or not agents:
        return None
    who = subject(seeds, agents[0])
    if savings is not None and rival in savings.savings:
        first = savings.sentence(rival, who)
        past = savings.past_orders
        return first if past is None else f"{first} {savings.sentence(past, 'It')}"
    mean, low, high, digits = difference(comparison, seeds, agents[0], rival)
    amount = f"{number(abs(mean), digits)} {'more' if mean > 0 else 'less'}"
    bounds = f"95% interval of the difference {number(low, digits)} to {number(high, digits)}"
    return f"{who} {verdict(low, high)} {rival}, the best rule: it earns {amount} ({bounds})."
