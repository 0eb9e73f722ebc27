"""Tuned rules in a run folder: found again bit for bit, never stale, and from no forged file."""

import errno
import json
import os

import numpy as np
import pytest

import evaluate
import tune
from agents import run_files, tuned_file
from agents import tuned_file as tunings
from agents.config import resolve
from agents.tuned_file import Recommendation, TunedFile, read_recommendation
from baselines.registry import BASELINES
from baselines.rules.cash import BaseStock
from baselines.tuned_rules import TunedRule, fingerprint
from baselines.tuning import Family, Search
from common.errors import InputError, validated
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS
from envs.supply_chain.parameters import SupplyChainParameters
from training.trainer import train

CASH = PROBLEMS["cash"]
SMALL = CashParameters(objective="profit", max_steps=6, buy_lots=[1, 5], convert_lots=[1, 5])
GRID = {"product_level": (5.0, 20.0, np.inf), "stop_before_end": (0.0, 2.0, 4.0)}


def family(_):
    def make(product_level, stop_before_end):
        return BaseStock(product_level, 40.0, stop_before_end)

    return Family(make, GRID, refined=tuple(GRID), integer=("stop_before_end",))


RULE = TunedRule(family)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Search little: what is tested is what becomes of the result."""
    monkeypatch.setattr("baselines.tuned_rules.TunedRule.search", lambda *_: Search(20, 1, 10_000))


def ask(file, parameters=SMALL, name="tuned_small", rule=RULE):
    return file(CASH, parameters, name, rule)


def test_a_rule_that_is_known_is_the_one_tuned_afresh(tmp_path, monkeypatch):
    path = tmp_path / "tuned.json"
    afresh = ask(TunedFile(None))
    assert ask(TunedFile(path)).values == afresh.values
    monkeypatch.setattr(tunings, "tune_rule", None)  # from here on nothing is tuned
    known = ask(TunedFile(path))
    assert repr(known.policy) == repr(afresh.policy)
    assert (known.values, known.score, known.se) == (afresh.values, afresh.score, afresh.se)
    assert (known.candidates, known.played) == (afresh.candidates, afresh.played)


def test_an_infinite_level_is_known_again(tmp_path):
    def only(_):
        return Family(
            lambda product_level: BaseStock(product_level, 40.0), {"product_level": (np.inf,)}
        )

    rule = TunedRule(only)
    ask(TunedFile(tmp_path / "tuned.json"), rule=rule)
    known = TunedFile(tmp_path / "tuned.json").recall(CASH, SMALL, "tuned_small", rule)
    assert known is not None
    assert known.values == {"product_level": np.inf}


def finer(_):
    return Family(family(_).make, {**GRID, "product_level": (5.0, 10.0)})


def test_all_that_tuning_depends_on_makes_the_fingerprint(monkeypatch):
    def mark(parameters=SMALL, name="tuned_small", rule=RULE, seed=0):
        return fingerprint(CASH, parameters, name, rule, seed=seed)

    marks = [
        mark(),
        mark(SMALL.model_copy(update={"holding_cost": 0.5})),
        mark(name="tuned_other"),
        mark(rule=TunedRule(finer)),
        mark(rule=TunedRule(family, "length")),
        mark(seed=1),
    ]
    monkeypatch.setattr("baselines.tuned_rules.TunedRule.search", lambda *_: Search(20, 2, 10_000))
    marks.append(mark())
    monkeypatch.setattr("baselines.tuned_rules.code_digest", lambda: b"another law of motion")
    marks.append(mark())
    assert len(set(marks)) == len(marks)
    assert mark() == mark()


def test_what_is_stale_is_tuned_anew_and_the_rest_stays(tmp_path):
    file = TunedFile(tmp_path / "tuned.json")
    ask(file)
    other = SMALL.model_copy(update={"max_steps": 7})
    assert file.recall(CASH, other, "tuned_small", RULE) is None
    ask(file, other)
    assert file.recall(CASH, other, "tuned_small", RULE) is not None
    assert file.recall(CASH, SMALL, "tuned_small", RULE) is not None


def test_a_file_does_not_grow_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(tunings, "MOST_KEPT", 2)
    for name in ("tuned_a", "tuned_b", "tuned_c"):
        ask(TunedFile(tmp_path / "tuned.json"), name=name)
    kept = json.loads((tmp_path / "tuned.json").read_text())["rules"]
    assert [one["rule"] for one in kept] == ["tuned_c", "tuned_b"]


def forged(**changes):
    def change(text):
        report = json.loads(text)
        report["rules"][0] |= changes
        return json.dumps(report)

    return change


FORGED = {
    "empty": lambda _: "",
    "half": lambda text: text[: len(text) // 2],
    "no rules": lambda _: "{}",
    "a list": lambda _: "[]",
    "deep": lambda _: "[" * 100_000,
    "digits": lambda text: text.replace('"candidates": ', '"candidates": ' + "9" * 10_000),
    "large": lambda text: text + " " * tuned_file.MAX_BYTES,
    "not a number": forged(values={"product_level": float("nan"), "stop_before_end": 0.0}),
    "score": forged(score=float("inf")),
    "text": forged(values={"product_level": "5", "stop_before_end": 0.0}),
    "truth": forged(values={"product_level": True, "stop_before_end": 0.0}),
    "unknown": forged(values={"level": 5.0, "stop_before_end": 0.0}),
    "missing": forged(values={"product_level": 5.0}),
    "above": forged(values={"product_level": 20.5, "stop_before_end": 0.0}),
    "below": forged(values={"product_level": -1.0, "stop_before_end": 0.0}),
    "no whole number": forged(values={"product_level": 5.0, "stop_before_end": 0.5}),
    "extra": forged(code="print()"),
    "fingerprint": forged(fingerprint="0" * 63 + "\n"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_no_forged_file_is_believed(kind, tmp_path):
    path = tmp_path / "tuned.json"
    afresh = ask(TunedFile(path))
    text = path.read_text()
    path.write_text(FORGED[kind](text))
    assert TunedFile(path).recall(CASH, SMALL, "tuned_small", RULE) is None
    assert ask(TunedFile(path)).values == afresh.values
    assert path.read_text() == text  # whole again


def test_a_link_is_refused_not_followed(tmp_path):
    elsewhere, path = tmp_path / "elsewhere.json", tmp_path / "tuned.json"
    ask(TunedFile(elsewhere))
    before = elsewhere.read_bytes()
    path.symlink_to(elsewhere)
    assert TunedFile(path).recall(CASH, SMALL, "tuned_small", RULE) is None
    with pytest.raises(InputError, match="symbolic link; name a regular file"):
        ask(TunedFile(path), name="tuned_other")
    assert elsewhere.read_bytes() == before


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_cannot_be_written_costs_time_alone_but_a_full_disk_is_told(
    number, tmp_path, monkeypatch, capsys
):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tuned_file, "write_beside", refuse)
    file = TunedFile(tmp_path / "tuned.json")
    if number == errno.ENOSPC:
        with pytest.raises(OSError, match="No space left"):
            ask(file)
        return
    assert ask(file).values == ask(TunedFile(None)).values
    told = f"tuned.json: {os.strerror(number)}; this is worked out anew next time"
    assert told in capsys.readouterr().err


# ---- whom a run orders by ----


def recommended(name, **values):
    return Recommendation(kind="rule", name=name, values=values, sentence="", figures={})


@pytest.fixture(scope="module")
def shop(demand_file):
    given = {"file": demand_file["file"], "split": demand_file["split"]}
    return validated(SupplyChainParameters, {"demand_data": given, "horizon": 8})


@pytest.mark.parametrize(
    ("advice", "message"),
    [
        (recommended("tuned_weekdays"), "unknown rule in the recommendation 'tuned_weekdays'; did"),
        (recommended("tuned_weekday"), "has no values of tuned_weekday; make it again"),
        (recommended("tuned_weekday", level=3.0), "has no values of tuned_weekday; make it again"),
    ],
)
def test_a_recommendation_without_its_rule_is_refused(advice, message, shop):
    with pytest.raises(InputError, match=message):
        advice.rule(shop)


def test_a_recommendation_that_is_damaged_is_refused(tmp_path):
    run_files.begin(tmp_path)
    assert read_recommendation(tmp_path) is None
    advice = recommended("tuned_weekday", safety_days="inf")
    advice.write(tmp_path)
    assert read_recommendation(tmp_path) == advice
    run_files.write(tmp_path / run_files.RECOMMENDATION, b'{"kind": "rule"}')
    with pytest.raises(InputError, match=r"damaged; restore the run from a copy"):
        read_recommendation(tmp_path)


# ---- command lines ----

TINY = ("--set", "max_steps=4", "--set", "objective=profit")


def test_tune_names_rules_with_and_without_the_prefix(run_command):
    one = run_command(tune.main, *TINY, "--baseline", "cycle", "--json")
    both = run_command(tune.main, *TINY, "--baseline", "tuned_base_stock,cycle", "--json")
    assert one.status == both.status == 0
    report = json.loads(both.stdout)["rules"]
    assert list(report) == ["tuned_cycle", "tuned_base_stock"]
    assert list(json.loads(run_command(tune.main, *TINY, "--json").stdout)["rules"]) == list(report)
    first = json.loads(one.stdout)["rules"]["tuned_cycle"]
    assert {**first, "seconds": 0} == {**report["tuned_cycle"], "seconds": 0}
    assert first["se"] > 0
    assert first["played"] > first["candidates"] > 1


def test_tune_prints_a_table(run_command):
    done = run_command(tune.main, *TINY, "--baseline", "cycle")
    assert "tuned_cycle: BuyBuyConvert(" in done.stdout
    assert "20 tuning episodes" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--baseline", "cycles"), "did you mean 'cycle'?"),
        (("--checkpoint", "nowhere"), "no such file"),
        (("--checkpoint", "nowhere", "--problem", "cash"), "leave the other options out"),
        (("newsvendor",), "after --textbook"),
        (("--textbook", "newsvendor"), "unknown textbook instance"),
        (("--textbook", "--seed", 3), "goes with --json alone"),
        (("--problem", "bank"), "bank"),
    ],
)
def test_tune_refuses_on_one_line(arguments, message, run_command):
    done = run_command(tune.main, *arguments)
    assert done.status == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_is_done_stays_after_an_interrupt(run_command, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setitem(BASELINES["cash"], "tuned_base_stock", TunedRule(stop))
    done = run_command(tune.main, *TINY, "--json")
    assert done.status == 130
    assert list(json.loads(done.stdout)["rules"]) == ["tuned_cycle"]


def test_a_comparison_uses_and_fills_the_file_of_its_run(run_command, tmp_path, monkeypatch):
    small = ("timesteps=40", "max_steps=5", "n_steps=5", "batch_size=20", "net_arch=[4]")
    train(resolve({"algo": "ppo"}, assignments=(*small, "n_envs=4")), tmp_path / "run")
    options = ("--checkpoint", tmp_path / "run", "--episodes", 10, "--json")
    both = "tuned_cycle,tuned_base_stock"
    found = run_command(tune.main, "--checkpoint", tmp_path / "run", "--baseline", "cycle")
    assert found.status == 0
    first = run_command(evaluate.main, *options, "--baselines", both)
    kept = json.loads((tmp_path / "run" / "tuned.json").read_text())["rules"]
    assert {one["rule"] for one in kept} == set(both.split(","))
    monkeypatch.setattr(tunings, "tune_rule", None)
    assert run_command(evaluate.main, *options, "--baselines", both).stdout == first.stdout
    other_seed = run_command(evaluate.main, *options, "--baselines", both, "--seed", 7)
    assert other_seed.status == 0
    again = run_command(tune.main, "--checkpoint", tmp_path / "run")
    assert again.stdout.count("known") == 2
    (tmp_path / "run" / "tuned.json").unlink()
    monkeypatch.undo()
