import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import pytest
from hypothesis import settings

from common import console
from tests.golden_cases import golden_cases

# The rooms, which take long to import, are imported where they are needed: the process that shares
# out the tests needs none of them.

settings.register_profile("project", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("project")
gc.disable()  # what is collected for testing lives to the end: see pytest_collection_finish

collect_ignore_glob = ["soak/*.py", "fuzz/fuzz_*.py"]
"""Scripts, which hold no tests and take long to import."""


@pytest.fixture(scope="session", autouse=True)
def without_boosting():
    """Leave out the rules that fit trees, which takes seconds wherever all rules are played.

    They have tests of their own: see `boosting`.
    """
    from baselines.policy import PolicyKind

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PolicyKind, "is_installed", property(lambda kind: not kind.package))
        yield


@pytest.fixture(scope="module", autouse=True)
def tuned_briefly(request):
    """Tune the rules that others are compared with briefly, but where tuning is what is tested."""
    if "baselines" in request.path.parts:
        yield
        return
    from baselines.tuned_rules import TunedRule

    full = TunedRule.search

    def brief(rule, parameters):
        search = full(rule, parameters)
        episodes, work = min(search.episodes, 40), min(search.work, 20_000)
        return replace(search, episodes=episodes, rounds=min(search.rounds, 1), work=work)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TunedRule, "search", brief)
        yield


@pytest.fixture
def boosting(monkeypatch):
    """Let the rules that fit trees be there, or skip a test where they are not."""
    from baselines.policy import PolicyKind

    pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    monkeypatch.setattr(PolicyKind, "is_installed", property(lambda _: True))


@pytest.fixture(scope="session", autouse=True)
def logs_of_learning(tmp_path_factory):
    """Let SB3 log what learns without a logger beside the tests' files, not in the system's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SB3_LOGDIR", str(tmp_path_factory.mktemp("sb3")))
        yield


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that asks for a `cash_case` or `chain_case` all golden trajectories of it."""
    for problem in ("cash", "chain"):
        if f"{problem}_case" in metafunc.fixturenames:
            cases = golden_cases(f"{problem}_*.json")
            metafunc.parametrize(f"{problem}_case", cases.values(), ids=cases.keys())


@dataclass(frozen=True)
class Finished:
    status: int
    stdout: str
    stderr: str


SLOW = (
    "agents/dcl/test_algorithm.py::test_a_lost_sales_store_goes_on_to_the_same_bits",
    "agents/dcl/test_algorithm.py::test_a_run_tells_how_the_rule_does_that_it_begins_with",
    "agents/dcl/test_kernels.py::test_a_long_path_of_goods_that_perish",
    "agents/dcl/test_kernels.py::test_labels_of_the_best_rule_lead_to_the_best_orders",
    "agents/dcl/test_kernels.py::test_values_make_paths_differ_less_and_move_no_mean[lost_sales_p19_L3",
    "agents/dcl/test_kernels.py::test_values_of_a_rule_tell_its_exact_average_cost[lost_sales_p4_L1-capped",
    "baselines/solvers/test_bound.py::test_mean_of_the_three_default_stores[90",
    "baselines/test_perishable.py::test_no_policy_beats_the_optimum_and_no_optimum_the_bound",
    "baselines/test_perishable.py::test_tuned_rules_that_count_on_waste_are_better",
    "benchmarks/test_large_recommendation.py",
    "benchmarks/test_many_decisions.py",
    "benchmarks/test_many_skus.py",
    "commands/database/test_database.py::test_writers_of_one_day_wait_for_one_another[sqlite",
    "commands/test_poison.py::test_no_bomb_explodes[cash-from",
    "commands/test_poison.py::test_no_bomb_explodes[cash-resume",
    "commands/test_poison.py::test_no_bomb_explodes[chain-evaluate",
    "commands/test_poison.py::test_no_bomb_explodes[chain-from",
    "commands/test_poison.py::test_no_bomb_explodes[chain-resume",
    "commands/test_poison.py::test_no_bomb_explodes[shops-export",
    "commands/test_resume_command.py::test_killed_at_random_moments_it_ends_with_the_same_weights",
    "commands/test_textbook.py::test_published_optimum[lost_sales_geometric_p9_L4",
    "commands/test_textbook.py::test_published_optimum[lost_sales_geometric_p19_L4",
    "commands/test_textbook.py::test_published_optimum[lost_sales_geometric_p39_L4",
    "service/test_deployment.py::test_the_steps_of_compose_are_carried_out",
    "studies/test_lost_sales.py",
    "studies/test_perishables.py",
    "test_documented_commands.py::test_a_study_runs",
    "test_documented_commands.py::test_the_commands_of_a_page_run[README",
    "test_documented_commands.py::test_the_commands_of_a_page_run[docs",
    "test_frameworks.py::test_rllib_trains_on_them",
    "training/test_resume.py::test_every_algorithm_goes_on_to_the_same_bits[recurrent_ppo",
    "training/search/test_study.py::test_a_rule_is_tuned_the_same_by_another_process",
    "training/test_seeds.py::test_two_processes_and_single_runs_learn_the_same",
)
"""Tests of many seconds each, by how their names begin: `make test-slow` runs them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that take long."""
    for item in items:
        if item.nodeid.removeprefix("tests/").startswith(SLOW):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Keep the garbage collector from what has been loaded, a third of the time that it takes."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def run_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Finished]:
    """Run a command in this process as its script would, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(command: click.Command, *arguments: object) -> Finished:
        monkeypatch.setattr(sys, "argv", ["script", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            console.run(command)
        captured = capsys.readouterr()
        status = leaving.value.code
        assert isinstance(status, int)
        return Finished(status, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def demand_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("demand") / "days.csv"
    days = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
    demand = np.random.default_rng(0).integers(130, 301, days.size)
    rows = [f"{day},{units}" for day, units in zip(days, demand, strict=True)]
    path.write_text("\n".join(["date,shop", *rows]))
    return {"file": path, "column": "shop", "split": "2021-01-01"}


@pytest.fixture
def bakery():
    """The shipped demand file, as a configuration names it."""
    file = Path(__file__).parents[1] / "data" / "bakery_3stores.csv"
    return {"file": file, "column": "store_37", "split": "2018-07-01"}
