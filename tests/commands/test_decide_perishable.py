"""Today's orders of goods that perish: stock by age in the state file."""

import json

import numpy as np
import pytest

import decide
from agents.config import resolve
from training.trainer import train

DAYS = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
RULE = ("--baseline", "tuned_base_stock_ew", "--allow", "--json")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decide")
    units = np.random.default_rng(0).poisson(30, DAYS.size)
    rows = [f"{day},{x}" for day, x in zip(DAYS, units, strict=True)]
    (folder / "sales.csv").write_text("\n".join(["date,north", *rows]))
    settings = ("horizon=10", "n_steps=10", "batch_size=40", "evaluation.episodes=10")
    perishes = ("store.shelf_life=3", "store.lead_time=1", "store.waste_cost=1")
    flags = {"algo": "ppo", "demand": folder / "sales.csv", "timesteps": 800, "n_envs": 8}
    config = resolve({**flags, "split": "2021-01-01"}, assignments=(*settings, *perishes))
    return train(config, folder / "run").folder


@pytest.fixture
def ask(run, tmp_path, run_command):
    def done(text):
        state = tmp_path / "stock.csv"
        state.write_text(text)
        return run_command(decide.main, "--checkpoint", run, "--state", state, *RULE)

    return done


def test_stock_that_expires_today_is_made_up_for(ask):
    old, fresh = (
        ask(f"store,on_hand,expires_1,expires_2,expires_3\nnorth,90,{ages}\n")
        for ages in ("90,0,0", "0,0,90")
    )
    assert old.status == fresh.status == 0, old.stderr
    quantity = [json.loads(done.stdout)[0]["baseline_quantity"] for done in (old, fresh)]
    assert quantity[0] > quantity[1] + 20
    assert "of all ages alike" not in old.stderr


def test_a_state_without_ages_is_taken_evenly_and_says_so(ask):
    evenly = ask("store,on_hand,expires_1,expires_2,expires_3\nnorth,90,30,30,30\n")
    untold = ask("store,on_hand\nnorth,90\n")
    assert untold.stdout == evenly.stdout
    assert untold.stderr.count("the state has no expires_1 ...: stock is taken to be of all") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("store,on_hand,expires_1\nnorth,9,4\n", "add up to 4, on_hand is 9; they must be equal"),
        ("store,on_hand,expires_4\nnorth,9,9\n", "expires_4 = 9: these goods keep 3 days here"),
        ("store,on_hand,expires_0\nnorth,9,9\n", "expires_0 = 9: these goods keep 3 days here"),
        ("store,on_hand,expires_1\nnorth,9,-9\n", "expires_1 = '-9': must be a number of 0"),
    ],
)
def test_ages_that_cannot_be_are_told_in_one_line(ask, text, message):
    done = ask(text)
    assert (done.status, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr
