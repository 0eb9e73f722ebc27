"""A recommendation in words: what it says of one rule or several, and of files of weeks."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from baselines.registry import (
    HISTORY_BASELINES,
    INFORMED_BASELINES,
    INFORMED_LOT_BASELINES,
    LOT_BASELINES,
)
from commands.recommendation.advice import in_words, page, sentence
from commands.recommendation.selection import Candidates, Periods
from demand.reader import DemandSource, read_demand
from evaluation.replay import Replay

FIRST, DAYS = dt.date(2022, 1, 3), 100
SPLIT = FIRST + dt.timedelta(days=80)
USUAL, RULE = "tuned_base_stock", "newsvendor_weekday"
COST = np.array([[1.0, 2.0], [8.0, 4.0]])


def played(first, days, cost):
    whole = np.tile(cost, (days, 1, 1))
    return Replay(first, whole, *[np.ones_like(whole)] * 4)


@pytest.fixture
def found():
    """Two products at two stores; the usual rule costs twice as much as the other one."""
    made = Candidates()
    origin = SPLIT - dt.timedelta(days=28)
    for name, factor in ((USUAL, 2.0), (RULE, 1.0)):
        made.folds[name] = [played(origin, 28, factor * COST)]
        made.evaluation[name] = played(SPLIT, 20, factor * COST)
        made.values[name] = {}
    return made


@pytest.fixture
def table(tmp_path):
    rows = [
        f"{FIRST + dt.timedelta(days=day)},{store},{sku},1"
        for day in range(DAYS)
        for store in ("north", "south|east")
        for sku in ("bread", "rolls `new`")
    ]
    path = tmp_path / "sales.csv"
    path.write_text("\n".join(["date,store,sku,demand", *rows]) + "\n")
    return read_demand(DemandSource(file=path))


def made_page(found, table):
    periods = Periods(
        (SPLIT - dt.timedelta(days=28),), SPLIT, table.last_day + dt.timedelta(days=1)
    )
    return page(found, periods, table, "a file", "Order by this.").splitlines()


def test_the_page_lists_the_dearest_products_with_their_stores_first(found, table):
    lines = made_page(found, table)
    assert lines[0] == "Order by this."
    at = lines.index("## Dearest products") + 4
    # 365 days of 8, 4, 2 and 1, which the usual rule costs on top; no mark of Markdown in a name
    assert lines[at : at + 5] == [
        "| rolls 'new' | north | 2,920 | 2,920 |",
        "| rolls 'new' | south/east | 1,460 | 1,460 |",
        "| bread | south/east | 730 | 730 |",
        "| bread | north | 365 | 365 |",
        "",
    ]
    assert "| north | 3,285 | 3,285 |" in lines
    at = lines.index("## Stores") - 4
    assert lines[at : at + 3] == [
        "|---|---|---|---|---|---|",
        f"| **{RULE}** | 5,475 | 5,475 [5,475, 5,475] | 100.00% | 4 | 1,460 |",
        f"| {USUAL} | 10,950 |  | 100.00% | 4 | 1,460 |",
    ]
    at = lines.index("## How it was chosen") + 4
    assert lines[at : at + 4] == [
        "| ordered by | cost a year | dearer than the cheapest | parameters |",
        "|---|---|---|---|",
        f"| **{RULE}** | 5,475 |  | 0 |",
        f"| {USUAL} | 10,950 | 5,475 ± 0 | 0 |",
    ]
    assert f"## From {SPLIT} to {table.last_day}, one day after the other" in lines


def test_the_page_says_which_agent_is_exactly_a_rule(found, table):
    assert not any("stands for it" in line for line in made_page(found, table))
    found.folds["dcl"], found.evaluation["dcl"] = found.folds[RULE], found.evaluation[RULE]
    found.same_as["dcl"] = RULE
    (line,) = [line for line in made_page(found, table) if "stands for it" in line]
    assert line.startswith(f"dcl found no evidence on the days before {SPLIT} that offsets save")
    assert f"it is exactly {RULE} from there on" in line


def test_the_sentence_says_what_is_saved_and_that_an_agent_is_not_worth_it(found):
    alone = sentence(found, ())
    assert alone.startswith(
        "Order by the newsvendor rule on the means of the last four same weekdays: it costs 5,475 "
        "a year and saves 5,475 a year [5,475, 5,475] against base stock on recent demand"
    )
    found.folds["dcl"], found.evaluation["dcl"] = found.folds[USUAL], found.evaluation[USUAL]
    assert sentence(found, ()) == f"{alone} Training an agent (dcl) is not worth it here."
    found.evaluation["dcl"] = played(SPLIT, 20, 0.8 * COST)
    assert sentence(found, ()) == (
        f"{alone} Training an agent (dcl) did not pay on the earlier days that choose, and would "
        "have saved 1,095 a year [1,095, 1,095] against this rule."
    )
    found.same_as["dcl"] = RULE
    assert sentence(found, ()) == f"{alone} Training an agent (dcl) is not worth it here."


@pytest.mark.parametrize(
    ("factor", "worth"),
    [
        (0.5, "is worth it here: it saves 2,738 a year [2,738, 2,738] against the choice"),
        (1.5, "turned out not to be worth it here: it costs 2,738 a year [2,738, 2,738] more than"),
    ],
)
def test_the_sentence_says_what_a_chosen_agent_saves_against_the_best_rule(found, factor, worth):
    origin = SPLIT - dt.timedelta(days=28)
    found.folds["dcl"] = [played(origin, 28, 0.5 * COST)]
    found.evaluation["dcl"] = played(SPLIT, 20, factor * COST)
    said = sentence(found, ())
    assert said.startswith("Order by the agent that dcl trained: it costs ")
    assert f" Training an agent {worth}" in said
    assert said.endswith(
        " the choice without it, the newsvendor rule on the means of the last four same weekdays."
    )


def test_where_stores_order_in_lots_savings_are_against_a_reorder_point(found):
    found.folds["tuned_reorder_point"] = found.folds[USUAL]
    found.evaluation["tuned_reorder_point"] = played(SPLIT, 20, 1.5 * COST)
    found.values["tuned_reorder_point"] = {}
    found.usual = "tuned_reorder_point"
    said = sentence(found, ())
    assert "saves 2,738 a year [2,738, 2,738] against a reorder point in days of recent" in said


def test_the_sentence_says_how_much_dearer_a_choice_turned_out(found):
    found.evaluation[RULE] = played(SPLIT, 20, 3.0 * COST)
    said = sentence(found, ())
    assert "and that is 5,475 a year [5,475, 5,475] more than base stock on recent demand" in said
    assert "saves" not in said
    assert "chance" not in said


def test_the_sentence_says_what_may_be_chance(found):
    usual = found.evaluation[USUAL]
    by_chance = np.random.default_rng(0).normal(0.01, 1.0, usual.cost.shape)
    found.evaluation[RULE] = replace(usual, cost=usual.cost + by_chance)
    assert " recent demand, which may be chance, at a fill rate of 100.0%." in sentence(found, ())


@pytest.mark.parametrize(
    ("name", "period", "words"),
    [
        ("tuned_reorder_point", "day", "a reorder point in days of recent demand"),
        ("tuned_reorder_point", "week", "a reorder point in weeks of recent demand"),
        ("newsvendor_average", "month", "the newsvendor rule on the mean of the last 7 months"),
        ("tuned_smoothing", "week", "base stock on smoothed forecasts"),
        ("of_a_plugin", "week", "of_a_plugin"),
    ],
)
def test_rules_on_weeks_and_months_have_no_days_in_their_words(name, period, words):
    assert in_words(name, period=period) == words


@pytest.mark.parametrize(
    "name",
    sorted({**HISTORY_BASELINES, **INFORMED_BASELINES, **LOT_BASELINES, **INFORMED_LOT_BASELINES}),
)
def test_every_rule_that_may_be_recommended_has_words(name):
    assert name == "random" or " " in in_words(name)


def test_what_is_known_ahead_is_named_after_the_rule():
    words = in_words("tuned_smoothing_covariates", ("promotion", "price"), "week")
    assert words == "base stock on smoothed forecasts that know promotion, price"
    assert in_words("tuned_smoothing_covariates").endswith("that know what is known ahead")
