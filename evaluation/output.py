"""What a comparison came to, in the three forms a command prints: a table, JSON and CSV."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from common.console import PlainConsole
from evaluation.comparison import Comparison, PolicyResult
from evaluation.headline import headline
from evaluation.seeds import SeedStatistics
from evaluation.table import REFERENCE_NAMES, show
from evaluation.tiers import TierResults, tier_table

COLUMNS = (
    "policy",
    "kind",
    "any_quantity",
    "run",
    "seed",
    "failed",
    "return_mean",
    "return_ci95_low",
    "return_ci95_high",
    "return_worst_5_percent",
    "gap",
    "gap_ci95_low",
    "gap_ci95_high",
    "compared",
    "difference",
    "difference_ci95_low",
    "difference_ci95_high",
    "better_episodes",
    "better_seeds",
)
"""Columns of the CSV that every problem has. `difference` is that of `compared` less the row's
policy, and the shares say where `compared` is better."""


@dataclass(frozen=True)
class Results:
    """A comparison, with what belongs to it.

    Attributes
    ----------
    comparison : Comparison
        All policies on common episodes.
    seeds : SeedStatistics or None
        The recipe over its seeds, where there are several.
    tiers : TierResults or None
        The tiers of the supply chain, after each phase of the training.
    """

    comparison: Comparison
    seeds: SeedStatistics | None = None
    tiers: TierResults | None = None

    @property
    def first(self) -> str:
        """The policy that others are set against: the seeds together, the agent, or the best."""
        return "interquartile_mean" if self.seeds else self.comparison.first

    def to_json(self) -> dict[str, Any]:
        """Return all numbers as JSON values."""
        values = {"headline": headline(self.comparison, self.seeds)} | self.comparison.to_json()
        for name in ("seeds", "tiers"):
            part: SeedStatistics | TierResults | None = getattr(self, name)
            if part is not None:
                values[name] = part.to_json()
        return values

    def text(self) -> str:
        """Return the text of ``--json`` and of ``evaluation.json``."""
        return json.dumps(self.to_json(), indent=2, allow_nan=False)

    def to_csv(self) -> str:
        """Return a row per policy, the failed seeds, the seeds together, and the reference."""
        metrics = [m for r in self.comparison.policies.values() for m in r.metrics]
        columns = [*COLUMNS, *dict.fromkeys(metrics)]
        file = io.StringIO()
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows())
        return file.getvalue()

    def show(self, console: Console | None = None) -> None:
        """Print the table."""
        console = console or PlainConsole()
        show(self.comparison, console, self.seeds)
        if self.tiers is not None:
            console.print(tier_table(self.tiers))

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the CSV, by column."""
        rows: list[dict[str, Any]] = []
        seeds = self.seeds.seeds if self.seeds else ()
        for seed in seeds:
            own: dict[str, Any] = {
                "policy": seed.name,
                "kind": "agent",
                "run": seed.run,
                "seed": seed.seed,
            }
            if seed.failed is None:
                own |= _numbers(self.comparison.policies[seed.name])
            rows.append({**own, "failed": seed.failed})
        if self.seeds is not None:
            low, high = self.seeds.iqm.ci95 or (None, None)
            rows.append(
                {
                    "policy": self.first,
                    "kind": "seeds",
                    "return_mean": self.seeds.iqm.value,
                    "return_ci95_low": low,
                    "return_ci95_high": high,
                    "return_worst_5_percent": self.seeds.worst,
                    "gap": self.seeds.gap,
                }
            )
        names = {seed.name for seed in seeds}
        for name, result in self.comparison.policies.items():
            if name not in names:
                about = {"kind": result.kind.role, "any_quantity": result.kind.any_quantity}
                rows.append({"policy": name, **about, **_numbers(result), **self._against(name)})
        reference = self.comparison.reference
        if reference is not None:
            value = self.comparison.to_json()["reference"]["value"]
            label = REFERENCE_NAMES[reference.kind]
            rows.append({"policy": label, "kind": "reference", "return_mean": value, "gap": 0.0})
        return rows

    def _against(self, name: str) -> Mapping[str, Any]:
        """Return the first policy against another, as the table has it."""
        if name == self.first:
            return {}
        if self.seeds is not None:
            rival = self.seeds.rivals[name]
            low, high = rival.difference.ci95 or (None, None)
            difference, better = rival.difference.value, rival.better_episodes.value
            seeds: float | None = rival.better_seeds
        else:
            first = self.comparison.policies[self.first]
            (low, high), difference = first.paired[name].ci95, first.paired[name].mean
            better, seeds = first.better[name], None
        return {
            "compared": self.first,
            "difference": difference,
            "difference_ci95_low": low,
            "difference_ci95_high": high,
            "better_episodes": better,
            "better_seeds": seeds,
        }


def _numbers(result: PolicyResult) -> dict[str, Any]:
    low, high = result.estimate.ci95
    least, most = result.gap_ci95 or (None, None)
    return {
        "return_mean": result.estimate.mean,
        "return_ci95_low": low,
        "return_ci95_high": high,
        "return_worst_5_percent": result.worst,
        "gap": result.gap,
        "gap_ci95_low": least,
        "gap_ci95_high": most,
        **result.metrics,
    }
