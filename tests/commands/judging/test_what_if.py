"""What a changed problem means for an agent that was trained on another one."""

import pytest

from agents.config import resolve
from agents.run_folder import claim, write_start
from commands.judging.what_if import load_changed, load_recommended
from common.errors import InputError
from evaluation.replay import replay
from tests.recommended import write_rule_run
from training.trainer import train

QUICK = ("horizon=6", "n_steps=12", "n_epochs=1")
QUICK += ("evaluation.every=48", "evaluation.episodes=2", "evaluation.pictures=0")
BLIND = "the agent does not see what units cost, so it acts as it was trained"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("what_if") / "run"
    config = resolve({"problem": "stores", "algo": "ppo", "timesteps": 48}, assignments=QUICK)
    train(config, folder, quiet=True)
    return str(folder)


def test_an_agent_that_does_not_see_costs_acts_as_before_and_that_is_said(run, capsys):
    loaded = load_changed(run, ("store.stockout_cost=9",))
    assert list(loaded.policies) == ["agent"]
    assert loaded.folders == ()  # nothing of it belongs into the run's folder
    assert loaded.run.parameters.lanes()[0].store.stockout_cost == 9
    assert BLIND in " ".join(capsys.readouterr().err.split())  # no file, no --items to name


def test_where_items_could_be_given_they_are_named(demand_file, tmp_path, capsys):
    flags = {"algo": "ppo", "demand": demand_file["file"], "split": demand_file["split"]}
    config = resolve(flags, assignments=QUICK)
    with claim(config, tmp_path / "run"):
        write_start(config, tmp_path / "run", {})
    (tmp_path / "run" / "best_model.zip").touch()
    with pytest.raises(InputError, match=r"best_model\.zip"):  # after what is said of the change
        load_changed(str(tmp_path / "run"), ("store.stockout_cost=9",))
    assert "what units cost (it would with --items), so it" in capsys.readouterr().err


def test_nothing_is_said_of_other_changes_or_unasked(run, capsys):
    loaded = load_changed(run, ("horizon=9",))
    assert loaded.run.parameters.horizon == 9
    load_changed(run, ("store.stockout_cost=9",), notes=False)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_how_the_agent_learned_cannot_be_changed(run):
    with pytest.raises(InputError, match=r"--set 'gamma=0\.5': with --checkpoint only the problem"):
        load_changed(run, ("gamma=0.5",))


def test_an_agent_is_no_rule_that_is_recommended(run):
    assert load_recommended((run,)) is None
    assert load_recommended((run, run)) is None


def test_a_rule_in_lots_is_played_where_orders_cost_nothing(demand_file, tmp_path):
    flags = {"algo": "ppo", "demand": demand_file["file"], "split": demand_file["split"]}
    config = resolve(flags, assignments=("store.fixed_cost=80",))
    write_rule_run(config, tmp_path / "lots", "reorder_point_smoothing")
    orders = {}
    for cost in (0, 80, 320):
        loaded = load_changed(str(tmp_path / "lots"), (f"store.fixed_cost={cost}",))
        (rule,) = loaded.policies.values()
        orders[cost] = (replay(loaded.run.problem, loaded.run.parameters, rule).orders > 0).mean()
    assert orders[0] > 0.9
    assert orders[80] < 0.8 * orders[0]
    assert orders[320] < 0.7 * orders[80]
