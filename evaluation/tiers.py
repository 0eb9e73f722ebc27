"""What every tier of the supply chain earns, before and after each stage of its training."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from baselines.chunks import Play, Totals, iterate_chunks
from baselines.policy import Policy
from common.errors import FrozenModel
from common.shards import HERE, Workers
from envs.batch import Trace
from envs.problems import Problem
from envs.supply_chain.metrics import TOTALS
from evaluation.merging.moments import Moments, merge
from evaluation.statistics import Estimate, plain_mean

LABELS = {"store": "stores (mean)", "all": "all agents (sum)"}
MEASURES = {LABELS.get(tier, tier): total for tier, total in TOTALS.items()}


@dataclass(frozen=True)
class TierResults:
    """Mean returns of every tier by stage, on common traces.

    Attributes
    ----------
    episodes, seed : int
        How many traces, and which.
    estimates : dict
        By stage and tier, the mean return of an episode.
    changes : dict
        By stage but the first and tier, the paired difference to the stage before.
    """

    episodes: int
    seed: int
    estimates: dict[str, dict[str, Estimate]]
    changes: dict[str, dict[str, Estimate]]

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        return {
            "episodes": self.episodes,
            "seed": self.seed,
            "stages": {
                stage: {
                    tier: {
                        "return_mean": estimate.mean,
                        "return_ci95": list(estimate.ci95),
                        "change": _change(self.changes.get(stage, {}).get(tier)),
                    }
                    for tier, estimate in tiers.items()
                }
                for stage, tiers in self.estimates.items()
            },
        }


def _change(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {"difference": estimate.mean, "ci95": list(estimate.ci95)}


def tier_results(
    problem: Problem,
    parameters: FrozenModel,
    stages: Mapping[str, Policy],
    *,
    episodes: int,
    seed: int,
    observe_step: bool,
    workers: Workers = HERE,
) -> TierResults:
    """Play every stage's team on the same evaluation traces.

    Parameters
    ----------
    problem, parameters : Problem, FrozenModel
        The supply chain.
    stages : mapping
        Policies by the stage's name, in order.
    episodes, seed, observe_step, workers
        As for `evaluation.comparison.compare`.
    """
    play = Play(problem, parameters, stages, episodes, seed, observe_step=observe_step)
    moments = merge(list(iterate_chunks(play, _tier_moments, workers)))
    places = itertools.product(stages, MEASURES)
    columns = {place: moments.column(k) for k, place in enumerate(places)}
    return TierResults(
        moments.count,
        seed,
        {s: {tier: plain_mean(columns[s, tier]) for tier in MEASURES} for s in stages},
        {
            stage: {
                tier: plain_mean(columns[stage, tier] - columns[before, tier]) for tier in MEASURES
            }
            for before, stage in itertools.pairwise(stages)
        },
    )


def _tier_moments(trace: Trace, totals: dict[str, Totals]) -> Moments:
    """Return the moments of what every tier earns at every stage, stage by stage."""
    del trace
    return Moments.of(
        np.column_stack([own[total] for own in totals.values() for total in MEASURES.values()])
    )


def tier_table(results: TierResults) -> Group:
    """Return the table of returns, and under each the paired change from the stage before."""
    table = Table(
        title=f"return per episode, {results.episodes:,} episodes, seed {results.seed}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    table.add_column("")
    for tier in MEASURES:
        table.add_column(tier.replace(" (", "\n("), justify="right", no_wrap=True)
    for stage, tiers in results.estimates.items():
        table.add_row(stage, *(f"{e.mean:z,.1f} ± {e.half_width:.1f}" for e in tiers.values()))
        changes = results.changes.get(stage)
        if changes:
            cells = (f"{e.mean:+z,.1f} ± {e.half_width:.1f}" for e in changes.values())
            table.add_row("  change", *cells, style="dim")
    note = "Change: paired on the same episodes, from the line above; ± half of a 95% interval."
    return Group(table, Text(note, style="dim"))
