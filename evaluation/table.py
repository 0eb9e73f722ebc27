"""A comparison as a table for people."""

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from baselines.solvers.reference import NAMES
from common.console import PlainConsole
from evaluation.comparison import Comparison, PolicyResult
from evaluation.headline import headline
from evaluation.seeds import Interval, SeedStatistics
from evaluation.statistics import decimals, number

ROOMY = 100
"""From this many columns of the terminal on, the table's columns stand further apart."""

HEADINGS = {
    "final_cash": "final cash",
    "units_sold": "units sold",
    "unmet_demand": "unmet demand",
    "fill_rate": "fill rate %",
    "service_level": "service level %",
    "holding_cost": "holding cost",
    "on_hand": "on hand",
    "cost_per_day": "cost /day",
    "exact_cost_per_day": "exact /day",
    "holding_cost_per_day": "holding /day",
    "stockout_cost_per_day": "stockout /day",
    "ordering_cost_per_day": "ordering /day",
    "ordering_cost": "ordering cost",
    "owed": "units owed",
    "units_wasted": "units wasted",
    "waste_cost": "waste cost",
    "waste_cost_per_day": "waste /day",
    "invalid_actions": "invalid actions",
    "store_return": "store return",
    "warehouse_return": "warehouse return",
    "supplier_return": "supplier return",
}
"""Metrics shown, where a problem has them, and their headings."""

SHARES = ("fill_rate", "service_level")
"""Metrics that are shown in percent."""

NOT_SHOWN = {"stores": ("units_sold", "unmet_demand")}
"""Metrics left out of a problem's table in any case."""

DISPENSABLE = {
    "cash": ("fill_rate", "units_sold", "unmet_demand", "final_cash"),
    "stores": (
        *("supplier_return", "on_hand", "holding_cost", "warehouse_return", "service_level"),
        *("stockout_cost_per_day", "ordering_cost", "holding_cost_per_day", "owed"),
        *("ordering_cost_per_day", "units_wasted", "waste_cost", "waste_cost_per_day"),
    ),
}
"""Metrics left out, in this order, while a problem's table is wider than the terminal."""

LAST_TO_GO = ("invalid_actions", "fill_rate")
"""Metrics left out after those, and then `SPREAD`: a number that is cut in half says nothing."""
SPREAD = ("worst\n5%", "95%\nCI")

COSTS = (
    *("cost_per_day", "holding_cost_per_day", "stockout_cost_per_day", "ordering_cost_per_day"),
    "waste_cost_per_day",
)
"""What is spent per store, SKU and day, and its parts."""

EXACT_COST = "exact_cost_per_day"
EXACT_MEANS = "the average cost in the long run, worked out from all states that a policy comes to."

SAID_PER_DAY = ("holding_cost", "ordering_cost", "waste_cost")
"""Metrics of the whole episode that are left out where those are shown."""

MEANINGS = {
    "stores": {
        "return": "sum of a store's rewards, mean over the stores of a world",
        "warehouse_return": "sum of the warehouse's rewards",
        "supplier_return": "sum of the supplier's rewards",
        "system_return": "sum of the rewards of all agents",
    }
}
"""By problem with several agents, what an episode's return is, by the total that it stands for."""

REFERENCE_NAMES = {**NAMES, "optimum": "optimum (solved)"}
"""What the last row is called, by the kind of the reference."""


def comparison_table(
    comparison: Comparison, width: int = 80, seeds: SeedStatistics | None = None
) -> Group:
    """Return headline, table, paired differences and captions for a terminal of `width`.

    With `seeds` the differences are those of the recipe over its seeds.
    """
    known = {m for r in comparison.policies.values() for m in r.metrics}
    known -= set(NOT_SHOWN.get(comparison.problem, ()))
    known -= set(SAID_PER_DAY if "cost_per_day" in known else ())
    metrics = [m for m in HEADINGS if m in known]
    table = _table(comparison, width, metrics, seeds)
    for name in (*DISPENSABLE.get(comparison.problem, ()), *LAST_TO_GO):
        if _fits(table, width):
            break
        metrics = [m for m in metrics if m != name]
        table = _table(comparison, width, metrics, seeds)
    for heading in SPREAD:
        if not _fits(table, width):
            table.columns = [one for one in table.columns if one.header != heading]
    verdict = headline(comparison, seeds)
    first = [] if verdict is None else [Text(verdict, style="bold"), Text()]
    rest = _over_seeds(seeds, comparison) if seeds else _differences(comparison)
    rest += _business(comparison)
    notes = [*(seed_captions(seeds) if seeds else []), *captions(comparison)]
    return Group(*first, table, *rest, Text(), *(Text(note, style="dim") for note in notes))


def _fits(table: Table, width: int) -> bool:
    return Console(width=1000).measure(table).maximum <= width


def show(
    comparison: Comparison, console: Console | None = None, seeds: SeedStatistics | None = None
) -> None:
    """Print a comparison as wide as the terminal."""
    console = console or PlainConsole()
    console.print(comparison_table(comparison, console.width, seeds))


def _table(
    comparison: Comparison, width: int, metrics: list[str], seeds: SeedStatistics | None
) -> Table:
    digits = decimals(result.estimate for result in comparison.policies.values())
    table = Table(
        title=f"{comparison.problem}: {comparison.episodes:,} episodes, seed {comparison.seed}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1) if width >= ROOMY else (0, 0),
        pad_edge=False,
        show_edge=False,
    )
    table.add_column("policy", no_wrap=True)
    gap = () if comparison.reference is None else ("gap %",)
    for heading in ("mean return", "95% CI", "worst 5%", *(HEADINGS[m] for m in metrics), *gap):
        heading = heading.replace("/day", f"/{_period(comparison)}").replace(" ", "\n", 1)
        table.add_column(heading, justify="right", no_wrap=True)
    own = _own(comparison, seeds)
    for name in _order(comparison, seeds):
        style = "bold cyan" if name in own else ""
        if name not in comparison.policies:
            table.add_row(name, "failed", style="bold red")
            continue
        cells = _cells(comparison.policies[name], digits, metrics)[: len(table.columns) - 1]
        table.add_row(name, *cells, style=style)
    reference = comparison.reference
    if reference is not None:
        table.add_section()
        label = REFERENCE_NAMES[reference.kind]
        blanks = [""] * len(metrics)
        value = number(reference.value, digits)
        table.add_row(label, value, "", "", *blanks, "0.00", style="italic")
    return table


def _period(comparison: Comparison) -> str:
    """Return what a step of the problem is: a day, or a week or month of a file."""
    return comparison.business.period if comparison.business else "day"


def _own(comparison: Comparison, seeds: SeedStatistics | None) -> list[str]:
    """Return the agents' names, failed seeds among them."""
    return [seed.name for seed in seeds.seeds] if seeds else list(comparison.agents)


def _order(comparison: Comparison, seeds: SeedStatistics | None = None) -> list[str]:
    """Return the rows' names, the agents first."""
    own = _own(comparison, seeds)
    return [*own, *(name for name in comparison.policies if name not in own)]


def _cells(result: PolicyResult, digits: int, metrics: list[str]) -> list[str]:
    estimate = result.estimate
    shown = [number(estimate.mean, digits), f"± {number(estimate.half_width, digits)}"]
    shown.append(number(result.worst, min(digits, 1)))
    for name in metrics:
        value = result.metrics.get(name)
        if value is None:
            shown.append("")
            continue
        digits = 2 if name in COSTS and abs(value) < 10 else 1
        digits = 4 if name == EXACT_COST else digits
        shown.append(f"{100 * value:.1f}" if name in SHARES else number(value, digits))
    return [*shown, "" if result.gap is None else f"{100 * result.gap:z.2f}"]


def _differences(comparison: Comparison) -> list[Text]:
    """Return one line for the agent, or else the best policy, against each other one."""
    policies, first = comparison.policies, comparison.first
    paired = policies[first].paired
    others = [name for name in _order(comparison) if name != first]
    if not others:
        return []
    digits = decimals(paired.values())
    width = max(map(len, others))
    heading = "minus ..., paired on the same episodes [95% CI]; ties count half"
    lines = [Text(f"\n{first} {heading}", style="bold")]
    for other in others:
        low, high = (number(bound, digits) for bound in paired[other].ci95)
        mean = f"{number(paired[other].mean, digits):>11}"
        better = f"better in {100 * policies[first].better[other]:.1f}%"
        lines.append(Text(f"  {other:<{width}} {mean}  {f'[{low}, {high}]':<20}  {better}"))
    return lines


def _over_seeds(seeds: SeedStatistics, comparison: Comparison) -> list[Text]:
    """Return the interquartile mean over the seeds, and a line against each rival."""
    digits = decimals(result.estimate for result in comparison.policies.values())
    failed = f", {len(seeds.failed)} failed" if seeds.failed else ""
    lines = [Text(f"\ninterquartile mean of {len(seeds.seeds)} seeds{failed} [95% CI]", "bold")]
    gap = "" if seeds.gap is None else f"  gap {100 * seeds.gap:z.2f}%"
    mean = _interval(seeds.iqm, digits).strip()
    lines.append(Text(f"  return {mean}{gap}  worst 5% {number(seeds.worst, 1)}"))
    if seeds.iqm_finished is not None:
        lines.append(Text(f"  without the failed {_interval(seeds.iqm_finished, digits).strip()}"))
    heading = "... minus a rival's return [95% CI]; better in: episodes (ties half), seeds"
    lines.append(Text(f"\n{heading}", "bold"))
    width = max(map(len, seeds.rivals))
    for name, rival in seeds.rivals.items():
        low, high = rival.better_episodes.ci95 or (rival.better_episodes.value,) * 2
        better = f"{100 * rival.better_episodes.value:.1f}% [{100 * low:.1f}, {100 * high:.1f}]"
        margin = f"{_interval(rival.difference, digits):<32}"
        lines.append(Text(f"  {name:<{width}} {margin} {better}, {100 * rival.better_seeds:.0f}%"))
    return lines


def _business(comparison: Comparison) -> list[Text]:
    """Return what every policy costs the whole business, a store and a SKU."""
    if comparison.business is None:
        return []
    costs = {
        name: comparison.business.costs(result.metrics["cost_per_day"])
        for name, result in comparison.policies.items()
    }
    width = max(map(len, costs))
    names = (f"{heading:>14}" for heading in next(iter(costs.values())))
    heading = " ".join(name.replace("_per_", "/") for name in names)
    heading = heading.replace("/day", f"/{_period(comparison)}")
    size = f"{comparison.business.stores:,} stores, {comparison.business.skus:,} SKUs"
    lines = [Text(f"\ncost of the whole business ({size}), of a store, of a SKU", style="bold")]
    lines.append(Text(f"  {'':<{width}} {heading}"))
    for name in _order(comparison):
        cells = " ".join(f"{number(value, 2):>14}" for value in costs[name].values())
        lines.append(Text(f"  {name:<{width}} {cells}"))
    return lines


def _interval(interval: Interval, digits: int) -> str:
    """Return a value and its interval, the value in a column of its own."""
    bounds = "  (one seed)"
    if interval.ci95 is not None:
        low, high = (number(bound, digits) for bound in interval.ci95)
        bounds = f"  [{low}, {high}]"
    return f"{number(interval.value, digits):>9}{bounds}"


def seed_captions(seeds: SeedStatistics) -> list[str]:
    """Return why seeds failed, and what the interval over seeds means."""
    notes = [f"{seed.name} failed: {seed.failed}" for seed in seeds.failed]
    if seeds.failed:
        notes.append("A failed seed counts as random play in all that is said of the seeds.")
    notes.append(
        "Over seeds: mean of the middle half of the seeds' returns (of 2 or 3, of all); CI: "
        "bootstrap over seeds on these episodes, too narrow where the seeds are few."
    )
    return notes


def captions(comparison: Comparison) -> list[str]:
    """Return what the numbers mean."""
    notes = []
    reference = comparison.reference
    if reference is not None:
        label = reference.name
        notes.append(f"Gap = ({label} - return) / ({label} - return of random).")
        notes.append(f"{label.capitalize()}: {reference.note}" if reference.note else "")
    if comparison.control_variates:
        names = ", ".join(comparison.control_variates)
        notes.append(
            "Mean return: regression on control variates of known mean "
            f"({names}); CI: Student t on its residuals."
        )
    else:
        notes.append("CI: Student t.")
    if comparison.problem in MEANINGS:
        notes[-1] = f"{notes[-1]} An episode is a world: what its stores share is in the CI."
        notes.insert(0, f"Return: {MEANINGS[comparison.problem][comparison.measure]}.")
        if any("cost_per_day" in result.metrics for result in comparison.policies.values()):
            if any(EXACT_COST in result.metrics for result in comparison.policies.values()):
                notes.insert(1, f"Exact /day: {EXACT_MEANS}")
            day = _period(comparison)
            notes.insert(
                1, f"Costs /{day}: money per store, SKU and {day}, all of it and its parts."
            )
    notes += comparison.notes
    return [caption for caption in notes if caption]
