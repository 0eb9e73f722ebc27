"""A comparison as a table for people."""

from collections.abc import Iterable

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from evaluation.comparison import Comparison, PolicyResult
from evaluation.statistics import Estimate

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
    "stores": ("supplier_return", "on_hand", "holding_cost", "warehouse_return", "service_level"),
}
"""Metrics left out, in this order, while a problem's table is wider than the terminal."""

MEANINGS = {
    "return": "sum of a store's rewards, mean over the stores of a world",
    "warehouse_return": "sum of the warehouse's rewards",
    "supplier_return": "sum of the supplier's rewards",
    "system_return": "sum of the rewards of all agents",
}
"""What the return of an episode of the supply chain is, by the total that it stands for."""

CHECKPOINT = "checkpoint"


def comparison_table(comparison: Comparison, width: int = 80) -> Group:
    """Return the table, the paired differences and the captions for a terminal of `width`."""
    known = {m for r in comparison.policies.values() for m in r.metrics}
    known -= set(NOT_SHOWN.get(comparison.problem, ()))
    metrics = [m for m in HEADINGS if m in known]
    table = _table(comparison, width, metrics)
    for name in DISPENSABLE.get(comparison.problem, ()):
        if Console(width=1000).measure(table).maximum <= width:
            break
        metrics = [m for m in metrics if m != name]
        table = _table(comparison, width, metrics)
    return Group(table, *_differences(comparison), Text(), *_captions(comparison))


def show(comparison: Comparison, console: Console | None = None) -> None:
    """Print a comparison as wide as the terminal."""
    console = console or Console()
    console.print(comparison_table(comparison, console.width))


def _table(comparison: Comparison, width: int, metrics: list[str]) -> Table:
    digits = _digits(result.estimate for result in comparison.policies.values())
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
        table.add_column(heading.replace(" ", "\n", 1), justify="right", no_wrap=True)
    for name in _order(comparison):
        cells = _cells(comparison.policies[name], digits, metrics)[: len(table.columns) - 1]
        table.add_row(name, *cells, style="bold cyan" if name == CHECKPOINT else "")
    reference = comparison.reference
    if reference is not None:
        table.add_section()
        label = "optimum (solved)" if reference.kind == "optimum" else "upper bound"
        blanks = [""] * len(metrics)
        value = _number(reference.value, digits)
        table.add_row(label, value, "", "", *blanks, "0.00", style="italic")
    return table


def _order(comparison: Comparison) -> list[str]:
    """Return the policies' names, the checkpoint first."""
    return sorted(comparison.policies, key=lambda name: name != CHECKPOINT)


def _cells(result: PolicyResult, digits: int, metrics: list[str]) -> list[str]:
    estimate = result.estimate
    shown = [_number(estimate.mean, digits), f"± {_number(estimate.half_width, digits)}"]
    shown.append(_number(result.worst, min(digits, 1)))
    for name in metrics:
        value = result.metrics[name]
        shown.append(f"{100 * value:.1f}" if name in SHARES else _number(value, 1))
    return [*shown, "" if result.gap is None else f"{100 * result.gap:.2f}"]


def _digits(estimates: Iterable[Estimate]) -> int:
    """Return the decimals that the narrowest interval deserves, 0 to 3."""
    widths = [e.half_width for e in estimates if e.half_width > 0]
    narrowest = min(widths, default=1.0)
    return next((d for d in range(3) if narrowest * 10**d >= 10), 3)


def _number(value: float, digits: int) -> str:
    return f"{value:,.{0 if abs(value) >= 10_000 else digits}f}"


def _differences(comparison: Comparison) -> list[Text]:
    """Return one line for the checkpoint, or else the best policy, against each other one."""
    policies = comparison.policies
    best = max(policies, key=lambda name: policies[name].estimate.mean)
    first = CHECKPOINT if CHECKPOINT in policies else best
    paired = policies[first].paired
    others = [name for name in _order(comparison) if name != first]
    if not others:
        return []
    digits = _digits(paired.values())
    width = max(map(len, others))
    lines = [Text(f"\n{first} minus ..., paired on the same episodes [95% CI]", style="bold")]
    for other in others:
        low, high = (_number(bound, digits) for bound in paired[other].ci95)
        mean = f"{_number(paired[other].mean, digits):>11}"
        better = f"better in {100 * policies[first].better[other]:.1f}%"
        lines.append(Text(f"  {other:<{width}} {mean}  {f'[{low}, {high}]':<20}  {better}"))
    return lines


def _captions(comparison: Comparison) -> list[Text]:
    """Return what the numbers mean."""
    captions = []
    reference = comparison.reference
    if reference is not None:
        label = reference.kind.replace("_", " ")
        captions.append(f"Gap = ({label} - return) / ({label} - return of random).")
        captions.append(f"{label.capitalize()}: {reference.note}" if reference.note else "")
    if comparison.control_variates:
        names = ", ".join(comparison.control_variates)
        captions.append(
            "Mean return: regression on control variates of known mean "
            f"({names}); CI: Student t on its residuals."
        )
    else:
        captions.append("CI: Student t.")
    if comparison.problem == "stores":
        captions[-1] = f"{captions[-1]} An episode is a world: what its stores share is in the CI."
        captions.insert(0, f"Return: {MEANINGS[comparison.measure]}.")
    captions += comparison.notes
    return [Text(caption, style="dim") for caption in captions if caption]
