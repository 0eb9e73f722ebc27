"""A comparison as a LaTeX table for a paper; it needs only ``booktabs``."""

from typing import Any

from evaluation.output import Results
from evaluation.statistics import decimals, number
from evaluation.table import HEADINGS, REFERENCE_NAMES, SHARES

METRICS = ("fill_rate", "cost_per_day", "final_cash")
"""Metrics with a column, if the problem has them."""

_SPECIAL = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
}


def escaped(text: str) -> str:
    r"""Return a text with LaTeX's special characters escaped.

    Examples
    --------
    >>> print(escaped("tuned_r_q, 95%"))
    tuned\_r\_q, 95\%
    """
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def latex_table(results: Results) -> str:
    """Return a ``table`` environment: returns with 95% intervals, gaps, paired differences."""
    c = results.comparison
    digits = decimals(own.estimate for own in c.policies.values())
    metrics = [m for m in METRICS if any(m in own.metrics for own in c.policies.values())]
    gap = c.reference is not None
    first = "IQM" if results.seeds else results.first
    heads = ["policy", "mean return", "95% CI", *(["gap %"] if gap else [])]
    heads += [f"{first} minus it", *(HEADINGS[m] for m in metrics)]
    lines = []
    for row in results.rows():
        if row.get("failed"):
            continue
        lines.append(_line(_cells(row, digits, metrics, gap=gap)))
    title = f"{c.problem}: {c.episodes:,} episodes, seed {c.seed}."
    if c.reference is not None:
        title += f" Gap: to the {c.reference.name}, of the way from random play."
    columns = "l" + "r" * (len(heads) - 1)
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            "\\begin{table}",
            "\\centering",
            f"\\caption{{{escaped(title)}}}",
            f"\\begin{{tabular}}{{{columns}}}",
            "\\toprule",
            _line([escaped(head) for head in heads]),
            "\\midrule",
            *lines,
            "\\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
            "",
        ]
    )


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cells(row: dict[str, Any], digits: int, metrics: list[str], *, gap: bool) -> list[str]:
    """Return the cells of a row of the CSV (`evaluation.output.COLUMNS`)."""
    name = str(row["policy"])
    name = name if name in REFERENCE_NAMES.values() else name.replace("_", " ")
    cells = [escaped(name), _number(row.get("return_mean"), digits)]
    cells.append(_interval(row, "return", digits))
    if gap:
        share = row.get("gap")
        cells.append("" if share is None else _number(100 * share, 2))
    less = _number(row.get("difference"), digits)
    cells.append(" ".join(filter(None, (less, _interval(row, "difference", digits)))))
    for metric in metrics:
        value = row.get(metric)
        scale = 100.0 if metric in SHARES else 1.0
        cells.append("" if value is None else _number(scale * value, 2))
    return cells


def _interval(row: dict[str, Any], name: str, digits: int) -> str:
    low, high = row.get(f"{name}_ci95_low"), row.get(f"{name}_ci95_high")
    if low is None or high is None:
        return ""
    return f"[{_number(low, digits)}, {_number(high, digits)}]"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"${number(value, digits).replace(',', '{,}')}$"
