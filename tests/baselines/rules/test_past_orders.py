import json

import numpy as np
import pytest

import evaluate
from baselines.policy import Policy
from baselines.rollout import rollout
from baselines.rules.past_orders import ActualOrders
from baselines.rules.reference import reference_team
from common.errors import InputError, validated
from demand.past_orders import read_past_orders
from envs.problems import PROBLEMS
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

DAYS = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
LEAD_TIME = 2
UNITS = np.random.default_rng(0).integers(0, 60, (DAYS.size, 2))
ORDERS = np.roll(UNITS, -LEAD_TIME, axis=0)  # just what is asked for when it arrives


def wide(values, header="date,north,south", days=DAYS):
    rows = [",".join(map(str, (day, *row))) for day, row in zip(days, values, strict=True)]
    return "\n".join([header, *rows])


def long(*columns):
    rows = [
        ",".join(map(str, (day, store, *(values[i, n] for values in columns))))
        for i, day in enumerate(DAYS)
        for n, store in enumerate(("north", "south"))
    ]
    return "\n".join(["date,store,demand,orders", *rows])


@pytest.fixture
def file(tmp_path):
    def write(text, name="orders.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def chain(path, grid):
    source = {"file": path, "split": "2021-01-01", "initial_days": 5}
    store = {"lead_time": LEAD_TIME, **grid}
    given = {"demand_data": source, "objective": "cost", "horizon": 14, "store": store}
    return validated(SupplyChainParameters, given)


def team(parameters, path) -> Policy:
    past = read_past_orders(path, parameters.history)
    return reference_team(store=ActualOrders(past))


@pytest.mark.parametrize("shape", ["wide", "long", "with demand"])
def test_orders_of_a_prophet_lose_no_sale(file, shape):
    both = file(long(UNITS, ORDERS), "both.csv")
    orders = {
        "wide": lambda: file(wide(ORDERS[:, ::-1], "date,south,north")),
        "long": lambda: file(long(UNITS * 0, ORDERS)),
        "with demand": lambda: both,
    }[shape]()
    p = chain(both, {"order_units": list(range(61))})
    trace = PROBLEMS["stores"].traces(p, "evaluation", 0, 50)
    totals = rollout(PROBLEMS["stores"], p, team(p, orders), trace)
    assert totals["unmet_demand"].max() == 0
    assert np.unique(totals["on_hand"]).size > 1
    late = rollout(
        PROBLEMS["stores"], p, team(p, file(wide(np.roll(ORDERS, 5, axis=0)), "late.csv")), trace
    )
    assert late["return"].mean() < totals["return"].mean()


def test_they_are_placed_in_their_own_quantities(file):
    p = chain(file(wide(UNITS), "sales.csv"), {"order_units": [0, 25, 50, 75]})
    policy = team(p, file(wide(ORDERS)))
    batch = SupplyChainBatch(p, 30, split="evaluation")
    batch.reset()
    policy.bind(batch)
    first = batch.past.start - DAYS[0].astype(object).toordinal()
    for day in range(14):
        batch.step(policy.predict(batch.observation())[0])
        under_way = batch.pipelines[:, :, : LEAD_TIME - 1].sum(axis=2)
        np.testing.assert_array_equal(under_way, ORDERS[first + day])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (wide(ORDERS[:400], days=DAYS[:400]), "orders of 2021-01-01 to 2021-06-30 are needed"),
        (wide(ORDERS[:, :1], "date,north"), "unknown store in orders.csv 'south'"),
        (
            wide(ORDERS).replace("2021-03-03", "2021-03-02"),
            "2021-03-02 of 'north' is a duplicate of row",
        ),
    ],
)
def test_orders_that_are_not_all_there_are_refused(file, text, message):
    history = chain(file(wide(UNITS), "sales.csv"), {}).history
    with pytest.raises(InputError, match=message):
        read_past_orders(file(text), history)


def test_demand_is_never_taken_for_orders(file):
    sales = file(wide(UNITS), "sales.csv")
    with pytest.raises(InputError, match=r"columns of stores or SKUs and of orders"):
        read_past_orders(sales, chain(sales, {}).history)
    long_sales = file(long(UNITS, ORDERS).replace("orders", "price"), "long.csv")
    with pytest.raises(InputError, match=r"which column holds the orders"):
        read_past_orders(long_sales, chain(long_sales, {}).history)


def test_the_command_plays_them_and_says_what_is_not_known(run_command, file):
    sales, orders = file(wide(UNITS), "sales.csv"), file(wide(ORDERS))
    options = ("--episodes", 20, "--baselines", "none", "--json")
    done = run_command(
        evaluate.main,
        *("--problem", "stores", "--set", f"demand_data.file={sales}"),
        *("--set", "reward.expected=false", "--set", "objective=cost"),
        *(*options, "--actual-orders", orders),
    )
    assert done.status == 0, done.stderr
    report = json.loads(done.stdout)
    assert list(report["policies"]) == ["random", "actual_orders"]
    assert "What stores really held when a window began is not known" in report["notes"][-1]
    for problem, message in (("cash", "belongs to stores"), ("stores", "belongs to stores")):
        done = run_command(evaluate.main, "--problem", problem, *options, "--actual-orders", orders)
        assert (done.status, done.stdout) == (2, "")
        assert message in done.stderr
