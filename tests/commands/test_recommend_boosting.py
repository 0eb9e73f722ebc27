"""Rules that fit trees: where they are offered, recommended and followed."""

import datetime as dt
import json
import sys

import pytest
import yaml

import decide
import evaluate
import train
from agents.config import resolve
from agents.tuned_file import read_recommendation
from baselines import registry
from baselines.policy import PolicyKind
from baselines.registry import installed, make_baselines, rules_in_units
from baselines.rule_choice import offset_rules
from commands.recommendation import selection
from commands.recommendation.recommend import recommend
from demand.forecasts.boosting import boosting as fit_boosting
from envs.problems import PROBLEMS
from tests.commands.test_recommend import FIRST, SPLIT, STATE, write

NAMES = {"newsvendor_boosting", "newsvendor_boosting_covariates"}
RULES = ("newsvendor_boosting_covariates", "tuned_base_stock")


@pytest.mark.usefixtures("boosting")
def test_it_is_offered_where_the_package_is(tmp_path, monkeypatch):
    split = str(FIRST.replace(year=FIRST.year + 1))
    run = resolve({"algo": "ppo", "demand": write(tmp_path / "sales.csv"), "split": split})
    shop = run.parameters
    known = rules_in_units(shop)
    assert {*installed(known)} >= NAMES
    assert {*make_baselines("stores", shop, ["default"], tuner=lambda *_: _Untuned)} >= NAMES
    assert {*offset_rules(PROBLEMS["stores"], shop)} >= NAMES
    monkeypatch.setattr(PolicyKind, "is_installed", property(lambda kind: not kind.package))
    assert {*known} >= NAMES  # as a run may order by it
    assert not NAMES & {*installed(known)}
    assert not NAMES & {*make_baselines("stores", shop, ["all"], tuner=lambda *_: _Untuned)}


class _Untuned:
    policy = None


@pytest.mark.usefixtures("boosting")
def test_it_is_recommended_and_ordered_by(tmp_path, run_command, monkeypatch):
    every = registry.rules_in_units
    monkeypatch.setattr(selection, "rules_in_units", lambda p: {n: every(p)[n] for n in RULES})
    monkeypatch.setattr("evaluation.business.service_curve.MULTIPLES", (1.0,))
    monkeypatch.setattr("evaluation.business.service_curve.DAYS", (0.5,))
    played = []
    choice = selection.Candidates.choice.fget
    monkeypatch.setattr(
        selection.Candidates, "choice", property(lambda own: played.append(own) or choice(own))
    )
    flags = {"demand": write(tmp_path / "sales.csv"), "split": str(_day(SPLIT))}
    folder = tmp_path / "run"
    recommend(flags, origins=1, assignments=("store.lead_time=1",), run_dir=folder)
    assert [played[0].parameters(name) for name in RULES[:2]] == [0, 2]  # those tuned on costs
    advice = read_recommendation(folder)
    assert advice.name == RULES[0]
    assert "gradient-boosted weekday forecasts that know promotion" in advice.sentence
    state = tmp_path / "stock.csv"
    state.write_text(STATE)
    calendar = tmp_path / "calendar.csv"
    calendar.write_text("\n".join(["date,promotion", *(f"{_day(430 + k)},0" for k in range(9))]))
    asked = ("--checkpoint", folder, "--state", state, "--calendar", calendar, "--json", "--allow")
    done = run_command(decide.main, *asked)
    assert done.status == 0, done.stderr
    south, north = json.loads(done.stdout)
    assert (south["rule"], south["quantity"] >= 0) == (RULES[0], True)
    assert north["quantity"] > 0
    fit_boosting.cache_clear()
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    done = run_command(decide.main, *asked)
    assert (done.status, done.stdout) == (2, "")
    assert "needs lightgbm; pip install -e '.[boosting]'" in done.stderr


@pytest.mark.usefixtures("boosting")
def test_an_agent_may_choose_offsets_to_it(tmp_path, run_command):
    sales, folder = write(tmp_path / "sales.csv"), tmp_path / "run"
    short = ("n_states=60", "paths=[2]", "fit_steps=20", "timesteps=120", "evaluation.every=60")
    short += ("evaluation.episodes=10", "least_evidence=1000", f"offset.rule={RULES[0]}")
    sets = [word for one in short for word in ("--set", one)]
    asked = ("--algo", "dcl", "--demand", sales, "--split", _day(SPLIT), "--quiet", *sets)
    done = run_command(train.main, *asked, "--run-dir", folder)
    assert done.status == 0, done.stderr
    assert "the policy is exactly the rule" in done.stderr
    assert yaml.safe_load((folder / "config.yaml").read_text())["offset"]["rule"] == RULES[0]
    asked = ("--checkpoint", folder, "--replay", "--baselines", RULES[0], "--json")
    played = json.loads(run_command(evaluate.main, *asked).stdout)["policies"]
    assert played["agent"]["fill_rate"] == pytest.approx(played[RULES[0]]["fill_rate"], abs=0.02)


def _day(number):
    return FIRST + dt.timedelta(days=number)
