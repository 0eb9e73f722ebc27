"""Instances with published optima: what was printed, what is solved, what the simulator plays."""

import json

import numpy as np
import pytest

import evaluate
from baselines import references
from baselines.average_cost import average_optimum, lost_sales_store, solved_rules
from baselines.references import find_reference
from baselines.rollout import rollout
from baselines.rules.reference import reference_team
from baselines.solvers.chain.chain_bound import chain_bound
from baselines.solvers.store import lost_sales_size
from baselines.solvers.store.clark_scarf import SerialSystem, echelon_cost
from baselines.solvers.store.lost_sales import (
    best_reorder_point,
    reorder_cost,
    solve_lost_sales,
    spared,
)
from baselines.solvers.store.lost_sales_kernels import count_states
from baselines.solvers.store.lost_sales_problem import LostSales, order_limits, poisson
from baselines.solvers.store.reorder_point import best_base_stock
from commands import textbook
from commands.evaluate import compare_with_baselines
from common.errors import InputError, validated

ZIPKIN_2008 = {
    "p4": (4.0407, 4.3953, 4.5987, 4.7285),
    "p9": (5.4382, 6.0936, 6.5314, 6.8359),
    "p19": (6.6757, 7.6644, 8.3625, 8.8872),
    "p39": (7.8360, 9.1064, 10.0385, 10.7944),
    "geometric_p4": (9.8175, 10.2402, 10.4667, 10.6065),
    "geometric_p9": (14.5082, 15.5029, 16.1367, 16.5774),
    "geometric_p19": (19.2179, 20.8906, 22.0645, 22.9530),
    "geometric_p39": (23.8657, 26.2138, 27.9635, 29.3559),
}
"""Least cost per day for lead times of 1 to 4 days; demand is Poisson unless it says otherwise."""
PUBLISHED = {
    **{f"lost_sales_{p}_L{i + 1}": x for p, row in ZIPKIN_2008.items() for i, x in enumerate(row)},
    "lost_sales_fixed_cost": 11.46,
    "reorder_point": 8.03411,
    "newsvendor": 1.9976,
}
NUMBERED = [pytest.param(name, cost, id=f"{name}={cost}") for name, cost in PUBLISHED.items()]


@pytest.mark.parametrize(("name", "cost"), NUMBERED)
def test_published_optimum(name, cost):
    run, published = textbook.load(name)
    best, *others = solved_rules(run.parameters)
    assert published.cost == cost
    assert best.cost == pytest.approx(cost, abs=0.51 * 10**-published.decimals)
    assert published.policy in (None, best.name)
    assert all(rule.cost > best.cost for rule in others)


def test_every_instance_is_known_here():
    costs = [name for name in textbook.names() if textbook.load(name)[1].cost is not None]
    assert costs == sorted(PUBLISHED)


@pytest.mark.parametrize(
    "name", ["lost_sales_p19_L2", "lost_sales_fixed_cost", "reorder_point", "newsvendor"]
)
def test_the_simulator_plays_what_is_solved(name):
    found = textbook.check(name, episodes=150, seed=1)
    assert found.agrees
    for played in found.played:
        assert played.simulated.half_width < 0.02 * played.exact


def test_reorder_point_4_and_level_10_of_zheng_and_federgruen():
    run, _ = textbook.load("reorder_point")
    best, base_stock = solved_rules(run.parameters)
    assert best.name == "(s, S) = (4, 10)"
    assert base_stock.name == "base-stock S=8"  # P(D <= 7) < 0.8 <= P(D <= 8)
    costs = {"holding_cost": 1, "stockout_cost": 4, "fixed_cost": 0}
    assert base_stock.cost - best_base_stock(poisson(6), **costs)[1] == pytest.approx(
        5 * (1 - np.exp(-6))
    )


def test_a_serial_system_is_played_by_its_echelon_levels():
    """The store's level, 9, is that of stockpyl's example 6.1 with Poisson demand."""
    found = textbook.check("serial_two_stages", episodes=100, seed=1)
    assert found.agrees
    (best,) = found.played
    assert best.name == "echelon base-stock S=9, 21"
    system = SerialSystem((5, 2), (0, 2), 39.12, "poisson", 5)
    shares = [echelon_cost(system, (9 + i, 21 + j)).cost for i in (-1, 0, 1) for j in (-1, 0, 1)]
    assert min(shares) - system.under_way == pytest.approx(best.exact, abs=1e-9)


def test_what_was_not_published_does_not_agree(tmp_path, monkeypatch, run_command):
    text = (textbook.FOLDER / "newsvendor.yaml").read_text()
    (tmp_path / "wrong.yaml").write_text(text.replace("cost: 1.9976", "cost: 1.9977"))
    monkeypatch.setattr(textbook, "FOLDER", tmp_path)
    done = run_command(evaluate.main, "--textbook", "--episodes", 10)
    assert done.status == 1
    assert "wrong: does not agree" in done.stdout


def test_the_command_line(run_command):
    done = run_command(evaluate.main, "--textbook", "newsvendor", "--json", "--episodes", 20)
    assert done.status == 0
    report = json.loads(done.stdout)
    assert report["agrees"]
    (found,) = report["instances"].values()
    assert found["published"] == 1.9976
    (played,) = found["policies"].values()
    assert played["cost_ci95"][0] < played["cost"] < played["cost_ci95"][1]
    done = run_command(evaluate.main, "--textbook", "newsvendor", "--episodes", 20)
    assert "base-stock S=56.604" in done.stdout


def test_instances_that_take_minutes_are_bounded_unless_they_are_named(run_command, monkeypatch):
    monkeypatch.setattr(textbook, "QUICK", 100)
    monkeypatch.setattr(textbook, "names", lambda: ["perishable_m2_exp2"])
    done = run_command(evaluate.main, "--textbook", "--episodes", 20, "--json")
    assert done.status == 0
    report = json.loads(done.stdout)
    assert report["bounded"] == ["perishable_m2_exp2"]
    (played,) = report["instances"]["perishable_m2_exp2"]["policies"].values()
    low, high = played["bounds"]
    assert high - low < 0.05
    assert low <= solved_rules(textbook.load("perishable_m2_exp2")[0].parameters)[0].cost <= high
    done = run_command(evaluate.main, "--textbook", "--episodes", 20)
    assert f"{low:.4f} to {high:.4f}" in done.stdout
    assert "name one to solve it: perishable_m2_exp2" in " ".join(done.stdout.split())
    named = run_command(evaluate.main, "--textbook", "perishable_m2_exp2", "--episodes", 20)
    assert "Bounded" not in named.stdout


def test_lost_sales_that_take_minutes_are_bounded_by_a_sooner_store(run_command, monkeypatch):
    monkeypatch.setattr(lost_sales_size, "QUICK_STATES", 1000)
    monkeypatch.setattr(textbook, "names", lambda: ["lost_sales_p4_L3"])
    done = run_command(evaluate.main, "--textbook", "--episodes", 100, "--json")
    assert done.status == 0
    report = json.loads(done.stdout)
    assert report["bounded"] == ["lost_sales_p4_L3"]
    ((name, played),) = report["instances"]["lost_sales_p4_L3"]["policies"].items()
    assert name.startswith("capped base-stock")
    low, high = played["bounds"]
    assert low == pytest.approx(ZIPKIN_2008["p4"][1], abs=1e-4)
    assert low < ZIPKIN_2008["p4"][2] < high < 1.01 * ZIPKIN_2008["p4"][2]


def test_longer_lead_times_are_instances_whose_cost_nobody_printed():
    for law in ("", "geometric_"):
        for p in (4, 9, 19, 39):
            for lead_time in (5, 6):
                run, published = textbook.load(f"lost_sales_{law}p{p}_L{lead_time}")
                like, _ = textbook.load(f"lost_sales_{law}p{p}_L4")
                changes = {"lead_time": lead_time, "order_units": None}
                own = run.parameters.store.model_copy(update=changes)
                other = like.parameters.store.model_copy(update=changes)
                assert own == other
                assert run.parameters.sku == like.parameters.sku
                assert published.cost is None
                largest = order_limits(lost_sales_store(run.parameters))[0]
                assert largest <= max(run.parameters.store.order_units)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--textbook", "newsvender"], "did you mean"),
        (["newsvendor"], "after --textbook"),
        (["--textbook", "--problem", "stores"], "goes with"),
    ],
)
def test_what_the_command_line_refuses(run_command, arguments, message):
    done = run_command(evaluate.main, *arguments)
    assert done.status == 2
    assert message in done.stderr.lower().replace("-- textbook", "--textbook")


def test_an_instance_without_its_block_is_refused(tmp_path, monkeypatch):
    (tmp_path / "empty.yaml").write_text("problem: stores\n")
    monkeypatch.setattr(textbook, "FOLDER", tmp_path)
    with pytest.raises(InputError, match="no block textbook"):
        textbook.load("empty")


# ---- the long-run optimum as a reference ----


def changed(name, **changes):
    run, _ = textbook.load(name)
    p = run.parameters
    return run.problem, validated(type(p), {**p.model_dump(), **changes})


def test_the_reference_of_a_long_episode_is_the_optimum():
    problem, p = changed("lost_sales_p4_L2")
    measure = find_reference(problem.name, p)
    reference = measure.reference({})
    assert reference.kind == "optimum"
    assert reference.value == pytest.approx(-4395.3, abs=0.05)
    assert "4.3953 a day" in reference.note
    trace = problem.traces(p, "evaluation", 1, 100)
    costs = rollout(problem, p, measure.policy, trace)["return"]
    assert abs(costs.mean() - reference.value) < 3 * costs.std() / 10


@pytest.mark.parametrize(
    "changes", [{"warmup_days": 0}, {"horizon": 220}, {"stores": [{"initial_on_hand": 1200}]}]
)
def test_the_reference_of_other_episodes_is_a_bound(changes):
    problem, p = changed("lost_sales_p4_L2", **changes)
    measure = find_reference(problem.name, p)
    reference = measure.reference({})
    assert reference.kind == "upper_bound"
    trace = problem.traces(p, "evaluation", 1, 200)
    earned = rollout(problem, p, measure.policy, trace)["return"]
    assert earned.mean() - 3 * earned.std() / np.sqrt(200) < reference.value


@pytest.mark.parametrize("fixed_cost", [0.0, 3.0])
def test_the_reference_of_a_store_with_too_many_states_is_a_bound(monkeypatch, fixed_cost):
    run, _ = textbook.load("lost_sales_p4_L3")
    own = {**run.parameters.store.model_dump(), "fixed_cost": fixed_cost}
    problem, p = changed("lost_sales_p4_L3", store=own)
    exact = find_reference(problem.name, p).reference({})
    states = count_states(order_limits(lost_sales_store(p)))
    monkeypatch.setattr(lost_sales_size, "QUICK_STATES", states - 1)
    measure = find_reference.__wrapped__(problem.name, p)
    bound = measure.reference({})
    assert exact.kind == "optimum"
    assert (bound.kind, measure.policy) == ("upper_bound", None)
    assert "orders take 2 days in place of 3" in bound.note
    assert exact.value < bound.value < 0.85 * exact.value


@pytest.mark.parametrize("horizon", [5, 120])
def test_the_lower_of_two_bounds_counts_where_the_first_days_do(monkeypatch, horizon):
    problem, p = changed("lost_sales_p4_L4", horizon=horizon, warmup_days=0)
    trace = problem.traces(p, "evaluation", 1, 2)
    bound = chain_bound(p)
    own = bound.reference(trace)
    monkeypatch.setattr(references, "chain_bound", lambda of: bound if of is p else None)
    monkeypatch.setattr(lost_sales_size, "QUICK_STATES", 3000)
    found = find_reference.__wrapped__(problem.name, p).reference(trace)
    assert found.kind == "upper_bound"
    assert found.value <= own.value
    assert (found.value == own.value) == (horizon == 5)


@pytest.mark.parametrize(
    "store",
    [
        {"order_units": [0, 5, 10]},  # not every quantity is on offer
        {"order_units": None},
        {"unmet_demand": "backlog"},
        {"lead_time": 11},
    ],
)
def test_no_optimum_is_known_of_other_stores(store):
    run, _ = textbook.load("lost_sales_p4_L2")
    own = {**run.parameters.store.model_dump(), **store}
    problem, p = changed("lost_sales_p4_L2", store=own)
    assert average_optimum(p) is None
    measure = find_reference(problem.name, p)
    assert measure.policy is None
    trace = problem.traces(p, "evaluation", 1, 2)
    assert measure.reference(trace).kind == "hindsight"


def test_a_store_with_seasons_is_no_instance():
    run, _ = textbook.load("lost_sales_p4_L2")
    sku = {**run.parameters.sku[0].model_dump(), "seasonality_amplitude": 0.3}
    _, p = changed("lost_sales_p4_L2", sku=[{**sku, "seasonality_period": 30}])
    assert average_optimum(p) is None
    with pytest.raises(InputError, match="no textbook instance"):
        solved_rules(p)


def test_solved_orders_are_those_of_the_solution():
    problem, p = changed("lost_sales_p19_L4")
    rule = average_optimum(p).rule
    batch = problem.make_batch(p, 2)
    team = reference_team(store=rule)
    team.bind(batch)
    batch.sites["on_hand"][:, 0] = [4, 9]
    batch.pipelines[:, 0] = [[5, 0, 8, 0], [2, 2, 2, 0]]
    solved = solve_lost_sales(LostSales(poisson(5), 4, 1, 19))
    expected = solved.order(np.array([4, 9]), np.array([[5, 0, 8], [2, 2, 2]]))
    chosen, _ = team.predict(batch.observation())
    assert chosen[:, 0].tolist() == expected.tolist()


# ---- what the end of an episode is worth; (s, S) with lost sales ----


def test_what_a_store_spares_by_knowing_its_last_day():
    """Every horizon solved on its own, with a lead time of 1: a plain dynamic programme."""
    store = LostSales([0.3, 0.3, 0.2, 0.2], 1, holding_cost=1, stockout_cost=5, fixed_cost=0)
    cost, top = solve_lost_sales(store).cost.value, int(order_limits(store)[-1])
    value, day = np.zeros(top + 1), store.day_costs(top + 1)
    left = np.maximum(np.arange(top + 1)[:, None] - np.arange(len(store.law)), 0)
    most = 0.0
    for n in range(1, 200):
        later = [
            min(value[left[x] + q] @ store.law for q in range(top - x + 1)) for x in range(top + 1)
        ]
        value = day + later
        most = max(most, n * cost - value.min())
    assert spared(store, cost) == pytest.approx(most, abs=1e-4)


def test_reorder_points_of_lost_sales():
    """No order-up-to level pays without a fixed cost; with one, no neighbour is cheaper."""
    plain = LostSales(poisson(5), 2, holding_cost=1, stockout_cost=4)
    assert reorder_cost(plain, 15, 16).value == pytest.approx(4.6386, abs=1e-4)
    store = LostSales(poisson(5), 2, holding_cost=1, stockout_cost=14, fixed_cost=5)
    s, level, cost = best_reorder_point(store)
    assert cost.value == pytest.approx(11.6181, abs=1e-3)
    for i, j in [(-1, 0), (1, 0), (0, -1), (0, 1)]:
        assert reorder_cost(store, s + i, level + j).value >= cost.value - 1e-4
    with pytest.raises(InputError, match="reorder_point = 16"):
        reorder_cost(store, 16, 16)


def test_a_comparison_tells_the_exact_cost_of_what_decides_by_stock_alone():
    run, _ = textbook.load("lost_sales_p4_L1")
    optimum, base_stock, *_ = solved_rules(run.parameters)
    policies = {"levels": reference_team(store=base_stock.rule)}
    found = compare_with_baselines(run, policies, baselines="none", episodes=2).policies
    costs = {name: one.metrics.get("exact_cost_per_day") for name, one in found.items()}
    assert costs["levels"] == pytest.approx(base_stock.cost, abs=1e-5)
    assert costs["optimum"] == pytest.approx(optimum.cost, abs=1e-5)
    assert costs["random"] is None
