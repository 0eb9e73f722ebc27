"""What every tier earns after each stage of its training, for people and for programs."""

import json

import pytest
from rich.console import Console

from evaluation.statistics import Estimate, number
from evaluation.tiers import MEASURES, TierResults, tier_table


@pytest.fixture
def results():
    """Two stages; at the second every tier earns 5 more than at the first, each by a known much."""
    earned = {
        "rules": {tier: Estimate(1000.0 * (k + 1), 0.0, 99) for k, tier in enumerate(MEASURES)},
        "phase 1": {tier: Estimate(1000.0 * (k + 1) + 5, 2, 99) for k, tier in enumerate(MEASURES)},
    }
    return TierResults(1200, 7, earned, {"phase 1": {t: Estimate(5.0, 1, 99) for t in MEASURES}})


def test_json_of_tiers_has_changes_from_the_second_stage_on(results):
    told = json.loads(json.dumps(results.to_json(), allow_nan=False))
    assert (told["episodes"], told["seed"]) == (1200, 7)
    assert list(told["stages"]) == ["rules", "phase 1"]
    first, second = told["stages"]["rules"]["warehouse"], told["stages"]["phase 1"]["warehouse"]
    assert first["change"] is None
    assert first["return_ci95"] == [first["return_mean"]] * 2
    assert second["return_mean"] == first["return_mean"] + 5
    low, high = second["change"]["ci95"]
    assert second["change"]["difference"] == 5
    assert (low, high) == (pytest.approx(5 - 1.984, abs=1e-3), pytest.approx(5 + 1.984, abs=1e-3))


def test_the_table_of_tiers_tells_every_return_and_under_it_the_change(results):
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        console.print(tier_table(results))
    lines = [line.strip() for line in capture.get().splitlines()]
    assert lines[0] == "return per episode, 1,200 episodes, seed 7"
    rules, phase, change = (
        next(line for line in lines if line.startswith(name))
        for name in ("rules", "phase 1", "change")
    )
    assert rules.split()[1:4] == ["1,000.0", "±", "0.0"]
    assert phase.split()[2:5] == ["1,005.0", "±", "4.0"]
    assert change.split()[1:] == ["+5.0", "±", "2.0"] * len(MEASURES)
    assert lines.index(change) == lines.index(phase) + 1
    assert sum(line.startswith("change") for line in lines) == 1  # none of the first stage
    assert "paired on the same episodes" in lines[-1]


def test_a_change_that_rounds_to_zero_has_no_minus(results):
    tiny = {tier: Estimate(-0.004, 1e-3, 99) for tier in MEASURES}
    console = Console(width=100, color_system=None)
    with console.capture() as capture:
        stages = {"rules": tiny, "phase 1": tiny}
        console.print(tier_table(TierResults(1200, 7, stages, {"phase 1": tiny})))
    assert "-0.0" not in capture.get()
    assert number(-0.004, 1) == "0.0"
