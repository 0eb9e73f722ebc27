"""Rules are tuned and played several at a time."""

import io
import time
from types import SimpleNamespace

import pytest
from rich.console import Console

from agents.config import resolve
from baselines.registry import rules_in_units
from commands.recommendation import recommend, selection
from commands.recommendation.selection import period_before, periods_of, play_rules
from common.sharing import map_threads
from tests.commands.test_recommend import FIRST, write

KINDS = ("newsvendor", "tuned", "tuned_newsvendor")
NAMES = tuple(f"{kind}_smoothing_covariates" for kind in KINDS)
UNTUNED = ("newsvendor_average", "newsvendor_weekday")
VALUES = {NAMES[1]: {"cover": 1.1, "safety_factor": 0.5}, NAMES[2]: {"safety_multiplier": 0.8}}


@pytest.fixture
def runs(tmp_path):
    """Return what makes runs of rules on a file, and its periods for so many origins."""
    flags = {"algo": "ppo", "demand": write(tmp_path / "sales.csv")}
    first = resolve({**flags, "split": str(FIRST.replace(year=FIRST.year + 1))})

    def make_run(day, end):
        own = {**flags, "split": str(day), "validation": period_before(first, day)}
        return resolve(own, assignments=(f"demand_data.until={end}",))

    return make_run, lambda origins: periods_of(first, origins)


@pytest.fixture
def played(runs, monkeypatch):
    """Play rules with so many at a time; return what came of it, and what was tuned."""
    make_run, periods = runs
    tuned, told = [], []

    def tune(problem, parameters, name, rule):
        del problem
        tuned.append(name)
        values = VALUES[name]
        return SimpleNamespace(values=values, policy=rule.family(parameters).make(**values))

    def some(parameters):
        return {name: rules_in_units(parameters)[name] for name in NAMES}

    monkeypatch.setattr(selection, "tune_rule", tune)

    def play(at_once):
        monkeypatch.setattr(selection, "THREADS", at_once)
        monkeypatch.setattr("os.cpu_count", lambda: 4)
        tuned.clear()
        told.clear()
        found = play_rules(make_run, periods(1), report=told.append, rules=some)
        return found, list(tuned), list(told)

    return play


def test_what_comes_of_rules_is_the_same_one_by_one_and_at_once(played):
    (one_by_one, _, _), (at_once, tuned, told) = played(1), played(4)
    assert list(at_once.folds) == list(one_by_one.folds) == list(NAMES)
    assert at_once.costs() == one_by_one.costs()
    assert len(set(at_once.costs().values())) == len(NAMES)
    for name in NAMES:
        assert (at_once.evaluation[name].cost == one_by_one.evaluation[name].cost).all()
        assert at_once.values[name] == one_by_one.values[name]
    assert sorted(tuned) == sorted(2 * NAMES[1:])  # once for the origin and once for all days
    (before,) = {line.partition(":")[0] for line in told} - {"origin 1 of 1"}
    assert before.startswith("all before 20")
    assert sorted(told) == sorted(
        f"{where}: {name}" for where in ("origin 1 of 1", before) for name in NAMES
    )


def test_rules_that_only_the_newest_days_call_for_are_played_from_the_first_origin_on(runs):
    make_run, periods = runs
    newest = len(make_run(periods(2).split, periods(2).until).parameters.history.training)

    def some(parameters):
        late = len(parameters.history.training) == newest
        return {name: rules_in_units(parameters)[name] for name in UNTUNED[: 1 + late]}

    found = play_rules(make_run, periods(2), report=lambda _: None, rules=some)
    assert {name: len(played) for name, played in found.folds.items()} == dict.fromkeys(UNTUNED, 2)
    assert found.choice in UNTUNED


class SlowConsole(Console):
    @property
    def is_terminal(self):
        time.sleep(0.01)
        return False


def test_rules_that_begin_at_once_are_told_of_in_one_line(monkeypatch):
    def begin(*given, report, **more):
        map_threads(lambda report, name, _: report(f"origin 1 of 1: {name}"), report, NAMES, 3)

    monkeypatch.setattr(recommend, "play_rules", begin)
    monkeypatch.setattr(recommend, "pieces_of_work", lambda *_, **__: len(NAMES))
    monkeypatch.setattr(recommend, "screen", SlowConsole(file=io.StringIO()))
    periods = SimpleNamespace(origins=(), split=None, until=None)
    recommend._play(lambda *_: None, None, periods, None, optional=True)
    told = recommend.screen.file.getvalue()
    assert told.count("origin 1 of 1: tuning and playing the rules\n") == 1


def test_a_rule_that_fails_is_heard_of(played, monkeypatch):
    def fail(*given):
        raise RuntimeError("no stock")

    monkeypatch.setattr(selection, "replay", fail)
    with pytest.raises(RuntimeError, match="no stock"):
        played(4)
