"""The comparison: the same traces for all, strict JSON, and a table that fits."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from baselines.policy import AGENT, PolicyKind, RandomPolicy
from baselines.rollout import rollout
from baselines.rules.cash import BaseStock, BuyBuyConvert
from baselines.solvers.reference import Reference
from common.errors import InputError
from envs.cash.parameters import CashParameters
from envs.problems import PROBLEMS
from evaluation.comparison import Comparison, compare, gap, gap_interval, mean_metrics
from evaluation.merging.samples import HeldEpisodes
from evaluation.statistics import plain_mean
from evaluation.table import show

CASH = PROBLEMS["cash"]
OPTIMUM = Reference("optimum", -1944.9, "Exact.")


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compared_with("buy_buy_convert", BuyBuyConvert())


def compared_with(rule: str, policy, agent=None, episodes=2000, **kinds) -> Comparison:
    policies = {rule: policy, "agent": agent or BuyBuyConvert(stop_before_end=2)}
    kinds = {"agent": AGENT, **kinds}
    return compare(
        CASH, CashParameters(), policies, OPTIMUM, episodes=episodes, seed=1, kinds=kinds
    )


def real(demand_file, **changes) -> CashParameters:
    given = {
        "initial_cash": 20_000,
        "demand_data": demand_file,
        "buy_lots": [800],
        "convert_lots": [400],
        "objective": "profit",
        "max_steps": 29,
    }
    return CashParameters.model_validate({**given, **changes})


def test_json_has_the_agreed_keys(comparison):
    report = comparison.to_json()
    keys = ["problem", "episodes", "seed", "measure", "rival", "reference", "policies"]
    keys += ["control_variates", "notes"]
    assert list(report) == keys
    assert report["reference"] == {"kind": "optimum", "value": -1944.9, "note": "Exact."}
    assert list(report["policies"]) == ["buy_buy_convert", "agent", "random"]
    assert set(report["policies"]["agent"]) == {
        *(
            "kind",
            "any_quantity",
            "return_mean",
            "return_se",
            "return_ci95",
            "gap",
            "gap_ci95",
            "return_mean_plain",
        ),
        *("return_se_plain", "return_std", "return_worst_5_percent", "paired", "length"),
        *("final_cash", "units_sold"),
        *("unmet_demand", "fill_rate", "invalid_actions"),
    }
    paired = report["policies"]["agent"]["paired"]
    assert set(paired) == {"buy_buy_convert", "random"}
    assert set(paired["random"]) == {"difference", "ci95", "better"}
    assert "total demand" in report["control_variates"]
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_the_gap_follows_from_the_printed_numbers(comparison):
    policies = comparison.to_json()["policies"]
    random = policies["random"]["return_mean"]
    for policy in policies.values():
        low, high = policy["return_ci95"]
        assert low < policy["return_mean"] < high
        assert policy["gap"] == (-1944.9 - policy["return_mean"]) / (-1944.9 - random)
    assert policies["random"]["gap"] == 1
    assert abs(policies["agent"]["gap"]) < 0.005


@pytest.mark.parametrize("in_hindsight", [False, True])
def test_the_interval_of_a_gap_covers_it(in_hindsight):
    rng, hits, widths = np.random.default_rng(5), 0, []
    for _ in range(400):
        best = 10.0 + 3.0 * rng.standard_normal(200)  # what the trace gives, good days and bad ones
        returns, random = best - rng.exponential(1.0, 200), best - rng.exponential(4.0, 200)
        values = best if in_hindsight else None
        value = float(best.mean()) if in_hindsight else 10.0
        reference = Reference("hindsight" if in_hindsight else "optimum", value, "", values)
        share = gap(value, returns.mean(), random.mean())
        played = {"agent": {"return": returns}, "random": {"return": random}}
        low, high = gap_interval(HeldEpisodes(played, reference, plain_mean), "agent", share)
        hits += low <= 0.25 <= high
        widths.append(high - low)
    assert 0.92 <= hits / 400 <= 0.98
    assert (np.mean(widths) < 0.1) == in_hindsight  # good and bad days fall out of the pairs


def test_random_play_has_all_of_the_gap_for_certain(comparison):
    assert comparison.policies["random"].gap_ci95 == (1.0, 1.0)
    low, high = comparison.policies["agent"].gap_ci95
    assert low < comparison.policies["agent"].gap < high < 0.01


def test_differences_are_paired_and_agree_with_the_means(comparison):
    policies = comparison.to_json()["policies"]
    for name, policy in policies.items():
        for other, paired in policy["paired"].items():
            means = policy["return_mean"] - policies[other]["return_mean"]
            assert paired["difference"] == pytest.approx(means)
            assert paired["difference"] == pytest.approx(
                -policies[other]["paired"][name]["difference"]
            )
    low, high = policies["agent"]["paired"]["buy_buy_convert"]["ci95"]
    assert low == pytest.approx(0.3)  # the same 0.3 on every trace
    assert high == pytest.approx(0.3)


def test_a_policy_plays_the_evaluation_traces_of_the_seed(comparison):
    trace = CASH.traces(CashParameters(), "evaluation", 1, 2000)
    totals = rollout(CASH, CashParameters(), BuyBuyConvert(), trace)
    returns, told = totals["return"], comparison.to_json()["policies"]["buy_buy_convert"]
    assert told["return_mean_plain"] == returns.mean()
    assert told["return_std"] == pytest.approx(returns.std(ddof=1))
    assert told["return_se_plain"] == pytest.approx(returns.std(ddof=1) / np.sqrt(2000))
    assert told["return_worst_5_percent"] == pytest.approx(np.sort(returns)[:100].mean())
    assert told["final_cash"] == totals["final_cash"].mean()


def test_json_has_the_intervals_of_the_regression_on_control_variates(comparison):
    for told in comparison.to_json()["policies"].values():
        half, mean = 1.961 * told["return_se"], told["return_mean"]
        low, high = told["return_ci95"]
        assert (low, high) == pytest.approx((mean - half, mean + half))
        assert 0 < told["return_se"] < 0.9 * told["return_se_plain"]
        assert told["gap_ci95"][0] <= told["gap"] <= told["gap_ci95"][1]


def test_shares_of_episodes_are_of_the_policy_that_earns_more(comparison):
    """The agent earns 0.3 more on every trace."""
    policies = comparison.to_json()["policies"]
    assert policies["agent"]["paired"]["buy_buy_convert"]["better"] == 1
    assert policies["buy_buy_convert"]["paired"]["agent"]["better"] == 0


def test_the_same_seed_gives_the_same_comparison():
    policies = {"random": RandomPolicy(7)}
    first, second = (
        compare(CASH, CashParameters(), policies, OPTIMUM, episodes=50, seed=3).to_json()
        for _ in range(2)
    )
    assert first == second


def test_a_reference_may_depend_on_the_traces():
    parameters = CashParameters(max_steps=4)
    seen = []

    def bound(trace) -> Reference:
        seen.append(trace["demand"].shape)
        return Reference("upper_bound", float(trace["demand"].mean()), "")

    result = compare(CASH, parameters, {}, bound, episodes=20, seed=0, progress=seen.append)
    assert seen == [1.0, (20, 5)]
    assert result.reference is not None
    assert result.reference.kind == "upper_bound"
    without = compare(CASH, parameters, {}, None, episodes=20, seed=0).to_json()
    assert without["reference"] is None
    assert without["policies"]["random"]["gap"] is None


@pytest.mark.parametrize(("reference", "random"), [(1.0, 1.0), (np.inf, 0.0), (0.0, np.nan)])
def test_a_gap_without_meaning_is_none(reference, random):
    assert gap(reference, 0.5, random) is None


def test_infinite_values_become_null():
    reference = Reference("upper_bound", float("inf"), "")
    report = compare(
        CASH, CashParameters(max_steps=2), {}, reference, episodes=20, seed=0
    ).to_json()
    assert report["reference"]["value"] is None
    json.dumps(report, allow_nan=False)


def test_an_interval_that_is_not_known_becomes_nulls(comparison):
    agent = replace(comparison.policies["agent"], gap_ci95=(np.nan, np.inf))
    told = replace(comparison, policies={"agent": agent}).to_json()["policies"]["agent"]
    assert told["gap_ci95"] == [None, None]


def test_fill_rate_is_summed_first():
    totals = {
        "return": np.zeros(2),
        "units_sold": np.array([1.0, 30.0]),
        "unmet_demand": np.array([1.0, 10.0]),
        "fill_rate": np.array([0.5, 0.75]),
    }
    means = HeldEpisodes({"agent": totals}, None, plain_mean).means("agent")
    assert mean_metrics(means)["fill_rate"] == 31 / 42
    assert "return" not in mean_metrics(means)
    assert mean_metrics(dict.fromkeys(means, 0.0))["fill_rate"] == 1


def test_one_episode_is_refused():
    with pytest.raises(InputError, match="episodes = 1: must be at least 2"):
        compare(CASH, CashParameters(), {}, OPTIMUM, episodes=1, seed=0)


def test_real_demand_gets_the_interval_of_its_disjoint_windows(demand_file):
    result = compare(
        CASH, real(demand_file), {"rule": BaseStock(400, 800)}, None, episodes=3000, seed=1
    )
    rule = result.policies["rule"]
    assert result.control_variates == ()
    assert "181 days" in result.notes[0]
    assert "no more than 6 that share no day" in result.notes[0]
    assert rule.estimate.mean == rule.plain.mean
    assert rule.estimate.se > 3 * rule.plain.se


def test_a_history_too_short_for_two_windows_is_noted(demand_file):
    parameters = real(demand_file, max_steps=120)
    result = compare(CASH, parameters, {"rule": BuyBuyConvert()}, None, episodes=50, seed=1)
    assert "nothing on other days" in result.notes[0]
    assert result.policies["rule"].estimate == result.policies["rule"].plain


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_table_fits_and_shows_every_number_whole(comparison, demand_file, width):
    policies = {"tuned_base_stock": BaseStock(400, 800), "optimum": BuyBuyConvert()}
    large = compare(
        CASH, real(demand_file), policies, Reference("upper_bound", 1e5, ""), episodes=300, seed=1
    )
    for compared in (comparison, large):
        console = Console(width=width, record=True, file=io.StringIO())
        show(compared, console)
        text = console.export_text()
        lines = text.splitlines()
        assert max(map(len, lines)) <= width
        assert "…" not in text
        assert all(any(line.startswith(name) for line in lines) for name in compared.policies)


def test_the_agent_comes_first_in_the_table(comparison):
    console = Console(width=80, file=io.StringIO())
    show(comparison, console)
    text = "\n" + console.file.getvalue()  # type: ignore[attr-defined]
    rows = [text.index(f"\n{name} ") for name in ("agent", "buy_buy_convert", "random")]
    assert rows == sorted(rows)
    for part in (
        "agent minus ..., paired on the same episodes [95% CI]; ties count half\n",
        "buy_buy_convert       0.300",
        "total demand",
        "Optimum: Exact.",
    ):
        assert part in text


def test_without_an_agent_the_best_policy_is_set_against_the_others():
    policies = {"random": RandomPolicy(), "buy_buy_convert": BuyBuyConvert()}
    result = compare(CASH, CashParameters(), policies, OPTIMUM, episodes=50, seed=1)
    console = Console(width=80, file=io.StringIO())
    show(result, console)
    assert "buy_buy_convert minus" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_policy_alone_is_set_against_nothing():
    console = Console(width=80, file=io.StringIO())
    show(compare(CASH, CashParameters(), {}, OPTIMUM, episodes=50, seed=1), console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\nrandom " in text
    assert "minus" not in text


def first_line(comparison: Comparison) -> str:
    console = Console(width=200, file=io.StringIO())
    show(comparison, console)
    return console.file.getvalue().splitlines()[0].rstrip()  # type: ignore[attr-defined]


def test_the_first_line_says_whether_the_agent_beats_the_best_rule(comparison):
    assert first_line(comparison) == (
        "The agent beats buy_buy_convert, the best rule: it earns 0.300 more (95% interval of the "
        "difference 0.300 to 0.300)."
    )
    lost = compared_with("shop", BuyBuyConvert(stop_before_end=2), BuyBuyConvert(), 50)
    assert first_line(lost).startswith(
        "The agent loses to shop, the best rule: it earns 0.300 less"
    )
    assert (lost.first, lost.rival) == ("agent", "shop")
    same = compared_with("shop", BuyBuyConvert(), BuyBuyConvert(), 50)
    assert first_line(same).startswith("The agent cannot be told from shop, the best rule")


def test_what_a_policy_is_does_not_hang_on_its_name():
    agent = {"random": BuyBuyConvert()}
    result = compare(
        *(CASH, CashParameters(max_steps=5), {**agent, "seed_0": BuyBuyConvert()}, None),
        **{"episodes": 5, "seed": 1, "kinds": {"random": AGENT}},
    )
    assert (result.agents, result.rival) == (("random",), "seed_0")


def test_a_rule_that_orders_any_quantity_is_no_rival():
    any_quantity = PolicyKind("tuned_rule", any_quantity=True)
    result = compared_with("shop", BuyBuyConvert(), episodes=5, shop=any_quantity)
    assert result.rival is None
    assert result.to_json()["policies"]["shop"]["any_quantity"]


@pytest.mark.parametrize(
    ("kind", "noted"),
    [
        (PolicyKind("tuned_rule"), True),
        (PolicyKind("rule", any_quantity=True), True),
        (PolicyKind("rule"), False),
    ],
)
def test_the_notes_say_what_a_rule_was_tuned_to(kind, noted):
    result = compared_with("shop", BuyBuyConvert(), episodes=5, shop=kind)
    assert any(note.startswith("shop: BuyBuyConvert(") for note in result.notes) == noted
