"""Words and numbers of the report, all taken from the comparison."""

from typing import Any

from evaluation.comparison import ACTUAL_ORDERS, PolicyResult
from evaluation.headline import difference, headline, subject
from evaluation.report.contents import KeyFigure, ReportContents
from evaluation.report.episodes import RECORDED
from evaluation.statistics import decimals, number
from evaluation.table import (
    EXACT_COST,
    HEADINGS,
    NOT_SHOWN,
    REFERENCE_NAMES,
    SHARES,
    captions,
    seed_captions,
)

SAME = 5e-4
"""Relative difference up to which two figures are called the same."""


class ReportText:
    """Sentences, tiles and table rows of a report."""

    def __init__(self, contents: ReportContents) -> None:
        self._m, self._c = contents, contents.comparison
        self._digits = decimals(r.estimate for r in self._c.policies.values())

    @property
    def subtitle(self) -> str:
        """The problem and the episodes that were played."""
        return (
            f"{self._c.problem}: {self._c.episodes:,} episodes that no training has seen, "
            f"seed {self._c.seed}, the same for all policies"
        )

    @property
    def headline(self) -> str:
        """The result in a sentence or two."""
        verdict = headline(self._c, self._m.results.seeds)
        if self._c.savings is not None and verdict is not None:
            return verdict
        value, (low, high) = self._earned()
        bounds = f"95% interval {self._n(low)} to {self._n(high)}"
        earned = f"{subject(self._m.results.seeds)} earns {self._n(value)} per episode ({bounds})."
        return earned if verdict is None else f"{verdict} {earned}"

    def _earned(self) -> tuple[float, tuple[float, float]]:
        seeds = self._m.results.seeds
        if seeds is not None:
            return seeds.iqm.value, seeds.iqm.ci95 or (seeds.iqm.value, seeds.iqm.value)
        own = self._c.policies[self._m.agent].estimate
        return own.mean, own.ci95

    def _difference(self, rival: str) -> tuple[float, float, float, int]:
        return difference(self._c, self._m.results.seeds, self._m.agent, rival)

    def _better(self, rival: str) -> float:
        seeds = self._m.results.seeds
        if seeds is not None:
            return seeds.rivals[rival].better_episodes.value
        return self._c.policies[self._m.agent].better[rival]

    def _n(self, value: float) -> str:
        return number(value, self._digits)

    @property
    def tiles(self) -> list[tuple[str, str, str]]:
        """Name, value and remark of the numbers that matter most."""
        value, (low, high) = self._earned()
        rival, seeds, policies = self._m.rival, self._m.results.seeds, self._c.policies
        name = "interquartile mean" if seeds else "mean return"
        tiles = [(name, self._n(value), f"95% CI {self._n(low)} to {self._n(high)}")]
        if self._c.savings is not None:
            costs = self._c.savings.business.costs(self._c.savings.cost)
            day = self._c.savings.business.period
            remark = f"{costs['business_per_year']:,.0f} a year; {costs['store_per_day']:,.2f} per "
            remark += f"store and {day}, {costs['sku_per_day']:,.2f} per SKU and {day}"
            tiles.insert(
                0, (f"cost of the business a {day}", f"{costs['business_per_day']:,.2f}", remark)
            )
        if rival is not None:
            mean, low, high, digits = self._difference(rival)
            how = "over seeds" if seeds else "paired"
            bounds = f"95% CI {number(low, digits)} to {number(high, digits)}, {how}"
            tiles.append((f"minus {rival}", f"{mean:+z,.{digits}f}", bounds))
            better = self._better(rival)
            remark = f"of the episodes, ties half{_against_the_mean(mean, better)}"
            tiles.append((f"better than {rival}", f"{100 * better:.1f}%", remark))
        gap = seeds.gap if seeds else policies[self._m.agent].gap
        if gap is not None and self._c.reference is not None:
            name = f"gap to the {self._c.reference.name}"
            tiles.append((name, f"{100 * gap:z.2f}%", "random play: 100%"))
        worst = seeds.worst if seeds else policies[self._m.agent].worst
        tiles.append(("worst 5% of episodes", number(worst, 1), "their mean return (CVaR)"))
        return tiles

    @property
    def today(self) -> str:
        """Name of the policy that the manager's tiles compare with."""
        name = self._m.today or ""
        return {
            ACTUAL_ORDERS: "the orders really placed",
            "reference_rules": "today's rules",
        }.get(name, name.replace("_", " "))

    @property
    def key_figures(self) -> list[tuple[str, str, str, str]]:
        """Name, value, remark and verdict of money, stock and service against today's rules."""
        figures, today = self._m.view.key_figures, self._m.today
        if figures is None or today is None:
            return []
        return [
            _key_figure(own, theirs, self.today)
            for own, theirs in zip(
                figures(self._m, self._m.agent), figures(self._m, today), strict=True
            )
        ]

    @property
    def columns(self) -> list[str]:
        """Headings of the table."""
        gap = ["gap %"] if self._c.reference is not None else []
        rest = [HEADINGS[m] for m in self._metrics]
        first = "IQM" if self._m.results.seeds else self._m.results.first
        return ["policy", "mean return", "95% CI", "worst 5%", *gap, f"{first} minus it",
                "95% CI", "better in %", *rest]  # fmt: skip

    @property
    def _metrics(self) -> list[str]:
        known = {m for r in self._c.policies.values() for m in r.metrics}
        known -= set(NOT_SHOWN.get(self._c.problem, ()))
        reported = {m for m in known for r in self._c.policies.values() if r.metrics.get(m)}
        return [m for m in HEADINGS if m in reported]  # without those that are 0 for all

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of the table: name, whether an agent, why it failed, cells with text and number."""
        seeds = self._m.results.seeds
        own = [s.name for s in seeds.seeds] if seeds else [self._m.agent]
        rows = []
        for name in own:
            failed = (
                next((s.failed for s in seeds.seeds if s.name == name), None) if seeds else None
            )
            cells = self._cells(name, against=False) if failed is None else []
            rows.append({"name": name, "own": True, "failed": failed, "cells": cells})
        if seeds is not None:
            rows.append({"name": "interquartile mean", "own": True, "failed": None,
                         "cells": self._seed_cells()})  # fmt: skip
        others = [name for name in self._c.policies if name not in own]
        rows += [
            {"name": n, "own": False, "failed": None, "cells": self._cells(n, against=True)}
            for n in others
        ]
        if self._c.reference is not None:
            value = self._c.reference.value
            blank = [("", None)] * (len(self.columns) - 5)
            cells = [(self._n(value), value), ("", None), ("", None), ("0.00", 0.0), *blank]
            name = REFERENCE_NAMES[self._c.reference.kind]
            rows.append({"name": name, "own": False, "failed": None, "cells": cells})
        return rows

    def _cells(self, name: str, *, against: bool) -> list[tuple[str, float | None]]:
        result: PolicyResult = self._c.policies[name]
        own = result.estimate
        cells: list[tuple[str, float | None]] = [
            (self._n(own.mean), own.mean),
            (f"± {self._n(own.half_width)}", own.half_width),
            (number(result.worst, 1), result.worst),
        ]
        if self._c.reference is not None:
            cells.append(("" if result.gap is None else f"{100 * result.gap:z.2f}", result.gap))
        if against:
            mean, low, high, digits = self._difference(name)
            better = self._better(name)
            cells.append((number(mean, digits), mean))
            cells.append((f"[{number(low, digits)}, {number(high, digits)}]", None))
            cells.append((f"{100 * better:.1f}", better))
        else:
            cells += [("", None)] * 3
        for metric in self._metrics:
            value = result.metrics.get(metric)
            if value is None:
                cells.append(("", None))
                continue
            places = 4 if metric == EXACT_COST else 1
            shown = f"{100 * value:.1f}" if metric in SHARES else number(value, places)
            cells.append((shown, value))
        return cells

    def _seed_cells(self) -> list[tuple[str, float | None]]:
        seeds = self._m.results.seeds
        if seeds is None:
            return []
        value, (low, high) = self._earned()
        cells: list[tuple[str, float | None]] = [
            (self._n(value), value),
            (f"[{self._n(low)}, {self._n(high)}]", None),
            (number(seeds.worst, 1), seeds.worst),
        ]
        if self._c.reference is not None:
            cells.append(("" if seeds.gap is None else f"{100 * seeds.gap:z.2f}", seeds.gap))
        return [*cells, *[("", None)] * (len(self.columns) - 1 - len(cells))]

    def caption(self, figure: str) -> str:
        """Return the caption of a figure."""
        rival = self._m.rival or "no rival"
        kept = min(self._c.episodes, RECORDED)
        regression = ", unlike the mean of the table, a regression on control variates"
        unlike = regression if self._c.control_variates else ""
        return {
            "returns": "How the returns of single episodes spread (rarer and worse ones than the "
            "mean of the worst 5% lie outside), and the agent's return less each rival's on the "
            "same episode, as the share of episodes at or below a value.",
            "gap": "How much of the way from the best (0) to random play (100) is left. Negative "
            "values are chance: nothing earns more on average than the best policy.",
            "learning": "Scores of the model as it was, on the validation traces that choose the "
            "best model. Those are other episodes than the comparison's, so that only gaps compare "
            "with it; lines across are the comparison's.",
            "profiles": "Left: the share of seeds that score above each value, with its pointwise "
            "95% band; marks below are the seeds. A failed seed counts as random play. Right: how "
            "likely a seed earns more on average than the rule (filled), and in how many common "
            "episodes (hollow), with 95% bootstrap intervals over seeds.",
            "training": "As it was logged while it learned, for every seed, phase and model; the "
            "reward of training is that of a policy that explores.",
            "parts": f"Means per episode; the parts of a return add up to it{unlike}. Random "
            "play's bars are cut where they are far off the others'.",
            "episode": f"The median episode of {self._m.agent} among the first {kept}, and {rival} "
            "on the same trace.",
            "policy": f"What would be done: {self._m.view.map_caption(self._m)}. Dots: where the "
            "policy's own episodes went.",
        }[figure]

    @property
    def notes(self) -> list[str]:
        """Return notes on the meaning of the intervals."""
        seeds = self._m.results.seeds
        general = [
            "All policies play the same episodes; differences are paired on them, so they are "
            "known better than the returns themselves.",
            "A 95% interval covers the chance in the episodes that were drawn. It says nothing of "
            "another training run (several seeds do) nor of a world unlike the simulated one.",
            "Better in %: share of the episodes in which the agent earns more than the row's "
            "policy, ties counted half.",
        ]
        of_seeds = seed_captions(seeds) if seeds else []
        return [*general, *of_seeds, *captions(self._c)]


def _key_figure(own: KeyFigure, theirs: KeyFigure, today: str) -> tuple[str, str, str, str]:
    """Return a tile of the agent's figure compared with today's.

    Examples
    --------
    >>> _key_figure(KeyFigure("cost", 9.0, 1, False), KeyFigure("cost", 12.0, 1, False), "now")
    ('cost', '9.0', '25.0% less than now (12.0)', 'better')
    """
    shown, now = (number(x.value, x.digits) for x in (own, theirs))
    less = own.value - theirs.value
    if shown == now or abs(less) < SAME * abs(theirs.value):
        return own.name, shown, f"as {today} ({now})", "same"
    much = f"{100 * abs(less / theirs.value):.1f}% " if theirs.value else ""
    remark = f"{much}{'more' if less > 0 else 'less'} than {today} ({now})"
    verdict = (
        "same"
        if own.more_is_better is None
        else ("worse", "better")[(less > 0) == own.more_is_better]
    )
    return own.name, shown, remark, verdict


def _against_the_mean(mean: float, better: float) -> str:
    """Return a remark if the mean difference and the share of better episodes disagree.

    Examples
    --------
    >>> _against_the_mean(0.62, 0.034)
    '; in these it earns more by far than it loses in the others'
    """
    if mean > 0.0 and better < 0.5:
        return "; in these it earns more by far than it loses in the others"
    if mean < 0.0 and better > 0.5:
        return "; in the others it loses more by far than it earns in these"
    return ""
