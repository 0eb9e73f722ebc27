"""The tables of a report besides the main one: seeds, places and phases."""

import csv
from types import SimpleNamespace

import pytest

from evaluation.report.tables import MOST_ROWS, tables_of
from evaluation.statistics import Estimate
from evaluation.tiers import TierResults


def contents(**given):
    """Return what tables are made of: nothing but what is given."""
    results = SimpleNamespace(seeds=given.pop("seeds", None), tiers=given.pop("tiers", None))
    names = {"agent": "agent", "rival": None, "today": None}
    return SimpleNamespace(**{"results": results, "records": {}, **names, **given})


def rows_of(table):
    return list(csv.DictReader(table.to_csv().decode("utf-8-sig").splitlines()))


def test_where_there_is_nothing_to_say_there_is_no_table():
    assert tables_of(contents()) == []


def test_phases_have_a_row_per_tier_and_changes_from_the_second_on():
    earned = {"rules": 10.0, "phase 1": 12.0}
    tiers = TierResults(
        1200,
        7,
        {stage: {"warehouse": Estimate(mean, 0.0, 99)} for stage, mean in earned.items()},
        {"phase 1": {"warehouse": Estimate(2.0, 1.0, 99)}},
    )
    (table,) = tables_of(contents(tiers=tiers))
    assert table.caption.startswith("1,200 episodes, seed 7. Change: from the phase before")
    first, second = rows_of(table)
    assert [first[n] for n in ("after", "tier", "mean return")] == ["rules", "warehouse", "10.0"]
    assert (first["change"], first["its 95% from"], first["its 95% to"]) == ("", "", "")
    assert (second["after"], second["change"]) == ("phase 1", "2.0")
    assert float(second["its 95% to"]) == pytest.approx(2 + 1.984, abs=1e-3)
    shown = [cell for cell, _ in table.shown[0]]
    assert shown == ["rules", "warehouse", "10.0", "10.0", "10.0", "", "", ""]


def test_of_many_stores_the_page_shows_some_and_the_file_all():
    places = {f"store {k}": {"return": float(k)} for k in range(1, 41)}
    records = {name: SimpleNamespace(places=places) for name in ("rule", "agent")}
    (table,) = tables_of(contents(records=records))
    assert table.caption.endswith("The first 60 of 80 rows; stores.csv has all.")
    assert len(table.shown) == MOST_ROWS
    assert len(rows_of(table)) == 80
    assert [row["policy"] for row in rows_of(table)[:2]] == ["agent", "rule"]
    few = {name: SimpleNamespace(places={"store 1": places["store 1"]}) for name in records}
    assert tables_of(contents(records=few))[0].caption == "Means per episode, stocks per day."


@pytest.mark.parametrize("reference", [None, object()])
def test_an_optimality_gap_is_told_only_where_something_is_known_to_measure_against(reference):
    scores = {"seed_0": 0.5, "seed_1": 0.7, "seed_2": 1.5}, {}, "mean return"
    comparison = SimpleNamespace(reference=reference)
    (table,) = tables_of(contents(seeds=object(), scores=scores, comparison=comparison))
    assert "too narrow where the seeds are few" in table.caption
    told = {row["over seeds"]: float(row["value"]) for row in rows_of(table)}
    assert told["mean"] == pytest.approx(0.9)
    assert told["median"] == pytest.approx(0.7)
    assert ("optimality gap" in told) == ("optimality gap" in table.caption) == bool(reference)
    if reference:
        assert told["optimality gap"] == pytest.approx((0.5 + 0.3) / 3)
