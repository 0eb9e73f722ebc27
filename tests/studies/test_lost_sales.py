from click.testing import CliRunner

from agents.run_folder import read_config
from baselines.average_cost import solved_rules
from baselines.solvers.store import lost_sales_size
from studies.lost_sales import main

TINY = (
    "--algo=dcl",
    "--seeds=1",
    "--row=lost_sales_p4_L1",
    "--set=timesteps=200",
    "--set=hyperparameters.n_states=100",
    "--set=evaluation.every=100",
    "--set=evaluation.episodes=20",
)


def test_an_instance_may_be_changed(tmp_path):
    changed = ("--set=parameters.sku.base_demand=3", "--set=parameters.store.stockout_cost=9")
    done = CliRunner().invoke(main, [*TINY, *changed, f"--runs={tmp_path}"], catch_exceptions=False)
    optimum = solved_rules(read_config(next(tmp_path.iterdir())).parameters)[0]
    assert f"| {optimum.cost:.4f} |" in done.stdout.splitlines()[2]


def test_runs_that_are_kept_give_the_same_table_again(tmp_path):
    first = CliRunner().invoke(main, [*TINY, f"--runs={tmp_path}"], catch_exceptions=False)
    again = CliRunner().invoke(main, [*TINY, f"--runs={tmp_path}"], catch_exceptions=False)
    assert first.stdout == again.stdout
    row = first.stdout.splitlines()[2].split(" | ")
    assert row[:3] == ["| lost_sales_p4_L1", "4.0407", "optimum"]
    assert float(row[5].rstrip("%")) < 1.0
    assert 0.0 <= float(row[6].rstrip("%")) < 1.0
    assert len(list(tmp_path.iterdir())) == 1


def test_a_bound_takes_the_place_of_an_optimum(tmp_path, monkeypatch):
    """As if a lead time of 2 days had too many states: 4.0407 is the optimum of a day less."""
    monkeypatch.setattr(lost_sales_size, "QUICK_STATES", 100)
    monkeypatch.setattr(lost_sales_size, "MAX_CHOICES", 1000)
    tiny = [option.replace("_L1", "_L2") for option in TINY]
    done = CliRunner().invoke(main, [*tiny, f"--runs={tmp_path}"], catch_exceptions=False)
    row = done.stdout.splitlines()[2].split(" | ")
    assert row[:3] == ["| lost_sales_p4_L2", "4.0407", "bound"]
    assert row[3].startswith("capped base-stock")
    assert float(row[6].rstrip("%")) > 8.0  # 4.3953 is the optimum
