"""What is kept of a rule and of the generations that are compared with it."""

import math

import numpy as np
import pytest

from agents.dcl.offset_fit import Evidence
from training.callbacks import Score
from training.evaluator import BestGeneration, Lead


def keeper(lead=None, evidence=None):
    """Return what keeps the best generation, with a rule if there is a lead over it."""
    made = BestGeneration(None, None, None, None, 100)
    if lead is not None:
        made.best = made.last = Score(-9.0, 0.02)
        made.rule = "BaseStock(level=7)", Score(-10.0, 0.125, np.array([-8.0, -12.0]))
        made.kept, made.evidence = lead, evidence
    return made


BETTER, WORSE = Lead(3, 1.0, 0.5), Lead(2, -1.5, 0.25)
NONE, SOME = Evidence(0.4, 1.0, 12, 2.0), Evidence(0.4, 3.0, 12, 2.0)


@pytest.mark.parametrize("lead", [None, BETTER, WORSE])
@pytest.mark.parametrize("evidence", [None, NONE, SOME])
def test_it_goes_on_from_its_own_state(lead, evidence):
    one, other = keeper(lead, evidence), keeper()
    other.load_state(one.state(), 5.0)
    assert (other.rule, other.kept, other.evidence) == (one.rule, one.kept, one.evidence)
    assert other.facts() == one.facts()
    assert other.verdict == one.verdict
    if lead is not None:
        np.testing.assert_array_equal(other.rule[1].returns, [-8.0, -12.0])


def test_without_a_rule_there_is_nothing_to_say():
    assert (keeper().facts(), keeper().verdict) == ({}, "")


def test_what_is_kept_is_held_against_the_rule():
    said = keeper(BETTER).verdict.splitlines()
    assert said == [
        "the rule it begins with, BaseStock(level=7): -10.00, gap 12.500%",
        "kept: generation 3, minus the rule +1.0000 [+0.5000, +1.5000]",
    ]
    facts = keeper(BETTER).facts()
    assert list(facts) == ["starting_rule"]
    assert facts["starting_rule"]["interval"] == [0.5, 1.5]
    assert facts["starting_rule"]["reaches_rule"]
    last = keeper(WORSE).verdict.splitlines()[-1]
    assert last.startswith("no generation reaches the rule, which is better by 1.5000; use it: ")
    assert not keeper(WORSE).facts()["starting_rule"]["reaches_rule"]


@pytest.mark.parametrize(("evidence", "used"), [(NONE, False), (SOME, True)])
def test_offsets_are_used_where_there_is_evidence_for_them(evidence, used):
    made = keeper(BETTER, evidence)
    assert made.verdict.splitlines()[-1] == evidence.sentence
    found = made.facts()["offsets"]
    assert found == {"used": used, "saved": 0.4, "t": evidence.t, "blocks": 12, "least": 2.0}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("evidence", (0.4, 1.0, -1, 2.0), "blocks of the calendar is no whole number"),
        ("evidence", (0.4, math.nan, 12, 2.0), "evidence is no number"),
        ("evidence", (0.4, 1.0, 12, "2"), "evidence is no number"),
        ("kept", (1.5, 0.0, 0.0), "the kept generation is no whole number"),
        ("kept", (-1, 0.0, 0.0), "the kept generation is no whole number"),
        ("kept", (1, None, 0.0), "a lead is no number"),
        ("kept", (1, 0.0, math.nan), "a lead is no number"),
        ("rule", ("R", "high", None, np.zeros(2)), "the rule's score is no number"),
        ("rule", ("R", 1.0, math.nan, np.zeros(2)), "the rule's score is no number"),
        ("rule", (7, 1.0, None, np.zeros(2)), "the rule's returns are not a row of numbers"),
        ("rule", ("R", 1.0, None, [0.0]), "the rule's returns are not a row of numbers"),
        ("rule", ("R", 1.0, None, np.zeros((2, 2))), "the rule's returns are not a row"),
    ],
)
def test_a_state_that_cannot_be_is_refused(name, value, message):
    made = keeper()
    with pytest.raises(ValueError, match=message):
        made.load_state({**keeper(BETTER, SOME).state(), name: value}, 0.0)
    assert (made.rule, made.kept, made.evidence) == (None, None, None)
