"""Decisions in shards of products: the same orders, whoever makes them."""

import numpy as np
import pytest

import decide
from commands import orders
from commands.morning import Today
from commands.order_output import as_csv
from commands.stock_state import Outstanding, StockState
from common.errors import InputError
from common.shards import Workers
from tests.commands.sharded import SKUS, STORES, decided, write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("shards")
    write_run(home)
    return home


def test_shards_and_workers_change_nothing(folder):
    whole = decided(folder, stores=1000)
    assert len(whole) == SKUS * STORES - 1
    assert len({row["rule_quantity"] for row in whole}) > 3
    for workers in (1, 2):
        assert as_csv(decided(folder, Workers(workers))) == as_csv(whole)


def test_orders_stand_in_the_order_of_the_state(folder, monkeypatch, run_command):
    monkeypatch.setattr(orders, "SHARD_STORES", 2)
    asked = ("--checkpoint", folder / "run", "--state", folder / "stock.csv", "--allow")
    done = run_command(decide.main, *asked)
    assert done.status == 0, done.stderr
    rows = [line.split(",") for line in done.stdout.splitlines()[1:]]
    state = [line.split(",") for line in (folder / "stock.csv").read_text().splitlines()[1:]]
    assert [row[1:3] for row in rows] == [row[:2] for row in state]


def test_an_unusable_row_is_named_whatever_its_shard(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(orders, "SHARD_STORES", 2)
    state = tmp_path / "stock.csv"
    state.write_text((folder / "stock.csv").read_text().replace("due_1", "due_9"))
    with pytest.raises(InputError, match="due_9: orders arrive in 1 to 2 days here"):
        orders_of(folder, state)


def orders_of(folder, state):
    from commands.decide import decide as decide_today

    return decide_today(str(folder / "run"), state)


def test_a_part_of_a_morning_has_its_rows_of_everything():
    now = StockState(
        np.array([[0, 0], [1, 0], [2, 1]]),
        np.array([1.0, 2.0, 3.0]),
        (Outstanding("due_1", 1, np.array([10.0, 11.0, 12.0])),),
        price=np.array([4.0, 5.0, 6.0]),
        expires={1: np.array([7.0, 8.0, 9.0])},
    )
    today = Today(now, None, np.arange(6.0).reshape(3, 2), np.arange(3.0)[:, None], None, None)
    part = today.part(np.array([2, 0]))
    assert part.now.places.tolist() == [[2, 1], [0, 0]]
    assert part.now.on_hand.tolist() == [3, 1]
    assert part.now.price.tolist() == [6, 4]
    assert part.now.expires[1].tolist() == [9, 7]
    assert part.now.outstanding[0].quantity.tolist() == [12, 10]
    assert part.due.tolist() == [[2], [0]]
    assert part.recent.tolist() == [[4, 5], [0, 1]]


def test_a_service_decides_by_itself(folder, run_command):
    asked = ("--server", "http://127.0.0.1:1", "--state", folder / "stock.csv", "--workers", 2)
    done = run_command(decide.main, *asked)
    assert done.status == 2
    assert "--server decides by itself; leave --workers and --cluster out" in done.stderr
