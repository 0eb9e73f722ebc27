"""``recommend.py`` with an agent among the candidates, chosen or not."""

import json
from types import SimpleNamespace

import pytest
import yaml

import decide
import evaluate
import recommend
from agents.run_folder import read_config
from agents.tuned_file import read_recommendation
from baselines import registry
from commands.recommendation import runs, selection
from commands.recommendation.report import write_report_again
from commands.recommendation.selection import Candidates
from tests.commands.test_recommend import (
    RULES,
    SPLIT,
    STATE,
    day_after,
    few_rules,  # noqa: F401  (of every test here)
    write,
)

CHOSEN = RULES[1]
TINY = ("n_states=60", "paths=[2]", "fit_steps=20", "timesteps=120", "evaluation.episodes=10")
TINY += ("evaluation.every=60", "evaluation.pictures=0")


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    sales = write(tmp_path_factory.mktemp("agent") / "sales.csv")
    shop = ("--set", "store.lead_time=1")
    return ("--demand", sales, "--split", day_after(SPLIT), "--origins", 1, *shop)


@pytest.fixture
def recommended(run_command, asked, tmp_path):
    """Recommend with some more options; return the folder, what it holds, and what was printed."""

    def make(name, *more, status=0):
        folder = tmp_path / name
        sets = () if "none" in more else [part for one in TINY for part in ("--set", one)]
        done = run_command(recommend.main, *asked, *sets, *more, "--run-dir", folder)
        assert done.status == status, done.stderr
        return folder, read_recommendation(folder), done

    return make


def report_again(folder):
    """Return a report, and the one that `evaluate.py --report` writes."""
    page = folder / "recommendation.html"
    before = page.read_text("utf-8")
    write_report_again(read_config(folder), folder, read_recommendation(folder))
    return before, page.read_text("utf-8")


def test_an_agent_of_offsets_begins_with_the_rule_that_is_chosen(recommended, run_command):
    folder, advice, _ = recommended("dcl", "--set", "least_evidence=1000")
    config = yaml.safe_load((folder / "agent" / "config.yaml").read_text())
    offset = {"rule": CHOSEN, "values": {}, "in_units": True}
    assert (config["algo"], config["offset"]) == ("dcl", offset)
    alone, without, _ = recommended("none", "--algo", "none")
    assert (advice.kind, advice.name) == ("rule", CHOSEN)  # no evidence: it is the rule
    assert advice.sentence == f"{without.sentence} Training an agent (dcl) is not worth it here."
    with_it, without_it = (
        yaml.safe_load((one / "config.yaml").read_text()) for one in (folder, alone)
    )
    assert with_it["parameters"] == without_it["parameters"]
    played = advice.figures["evaluation"]
    agent = played.pop("dcl")
    assert played == without.figures["evaluation"]  # to the bit, with an agent and without
    own, rule = (one["cost_per_year"] for one in (agent, played[CHOSEN]))
    assert own == rule  # which learns from the days of selection too
    tables = (folder / "recommendation.md").read_text()
    assert f"it is exactly {CHOSEN} from there on, which stands for it" in tables
    before, after = report_again(folder)
    assert before == after
    asked = ("--checkpoint", folder / "agent", "--replay", "--baselines", "none", "--json")
    (again,) = json.loads(run_command(evaluate.main, *asked).stdout)["policies"].values()
    assert again["cost_per_year"] == own


def test_without_evidence_an_agent_is_the_rule_with_what_was_tuned_before_each_origin(
    recommended, monkeypatch
):
    tuned, every = "tuned_base_stock", registry.rules_in_units
    covers = iter((2.0, 1.5, 1.1))  # which tuning again would not find

    def tune(problem, parameters, name, rule):
        values = {"cover": next(covers), "safety_factor": 0.5}
        return SimpleNamespace(values=values, policy=rule.family(parameters).make(**values))

    monkeypatch.setattr(selection, "tune_rule", tune)
    monkeypatch.setattr(selection, "rules_in_units", lambda p: {tuned: every(p)[tuned]})
    _, advice, _ = recommended("tuned", "--set", "least_evidence=1000", "--origins", 2)
    by_origin = advice.figures["cost_per_year_by_origin"]
    assert by_origin["dcl"] == by_origin[tuned]
    own, rule = (advice.figures["evaluation"][name]["cost_per_year"] for name in ("dcl", tuned))
    assert own == rule


def test_a_chosen_agent_is_what_the_run_orders_by(recommended, run_command, monkeypatch, tmp_path):
    monkeypatch.setattr(Candidates, "choice", property(lambda self: self.agent or CHOSEN))
    folder, advice, _ = recommended("dcl", "--set", "least_evidence=0")
    assert (advice.kind, advice.name) == ("agent", "dcl")
    assert advice.sentence.startswith("Order by the agent that dcl trained: it costs ")
    assert not (folder / "agent").exists()
    before, after = report_again(folder)
    assert before == after
    asked = ("--checkpoint", folder, "--replay", "--baselines", "none", "--json")
    (again,) = json.loads(run_command(evaluate.main, *asked).stdout)["policies"].values()
    assert again["cost_per_year"] == advice.figures["evaluation"]["dcl"]["cost_per_year"]
    (state := tmp_path / "stock.csv").write_text(STATE)
    (calendar := tmp_path / "calendar.csv").write_text(
        "date,promotion\n" + "".join(f"{day_after(430 + k)},0\n" for k in (0, 1))
    )
    asked = ("--checkpoint", folder, "--state", state, "--calendar", calendar, "--json", "--allow")
    done = run_command(decide.main, *asked)
    assert done.status == 0, done.stderr
    assert {row["rule"] for row in json.loads(done.stdout)} == {CHOSEN}


def test_training_that_is_stopped_leaves_the_rules(recommended, monkeypatch):
    stopped = SimpleNamespace(status=130)
    monkeypatch.setattr("training.trainer.train", lambda *_, **__: stopped)
    _, advice, done = recommended("stopped", status=130)
    assert (advice.kind, advice.name, advice.figures["agent"]) == ("rule", CHOSEN, None)
    assert "stopped: no agent was trained to its end, so rules alone are judged" in done.stderr
    assert done.stdout == f"{advice.sentence}\n"
    assert "agent" not in advice.sentence


def test_the_help_page_names_the_size_up_to_which_an_agent_is_trained(run_command):
    page = " ".join(run_command(recommend.main, "--help").stdout.split())
    assert f"at most {runs.MOST_SERIES:,} stores x SKUs" in page


def test_a_large_file_has_no_agent_unless_it_is_asked_for(recommended, monkeypatch):
    monkeypatch.setattr(runs, "MOST_SERIES", 1)
    _, advice, done = recommended("large")
    assert advice.figures["agent"] is None
    why = "2 stores x SKUs are more than 1 (--algo dcl trains one)"
    assert f"no agent is trained beside the rules: {why}" in done.stderr
