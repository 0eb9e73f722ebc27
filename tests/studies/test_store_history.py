from types import SimpleNamespace

import click
import pytest

from evaluation.savings import Business, Saving, Savings
from studies.store_history import over_periods, table


def savings_of(agents, cost, savings):
    return Savings(agents, cost, 0.995, savings, None, Business(3, 1))


def compared(policies, savings, *notes):
    return SimpleNamespace(policies=policies, savings=savings, notes=notes, rival=None, agents=())


def test_the_table_has_a_row_per_policy_and_one_for_the_seeds_together():
    policies = {
        name: SimpleNamespace(metrics={"cost_per_day": cost, "fill_rate": 0.995})
        for name, cost in (("seed_0", 9.0), ("seed_1", 8.0), ("tuned_base_stock", 10.0))
    }
    saving = Saving(10.0, 0.15, (-0.012, 0.312), 0.995)
    savings = savings_of(("seed_0", "seed_1"), 8.5, {"tuned_base_stock": saving})
    rows = table(compared(policies, savings, "a note"))
    assert rows[2:] == [
        "| seed_0 | 9.00 | 99.5% |  |",
        "| seed_1 | 8.00 | 99.5% |  |",
        "| mean of 2 seeds | 8.50 | 99.5% | |",
        "| tuned_base_stock | 10.00 | 99.5% | +15.0% [-1.2%, +31.2%] |",
        "",
        "",
        "a note",
    ]
    alone = savings_of(("seed_0",), 9.0, {"tuned_base_stock": saving})
    rows = table(compared(policies, alone))
    assert not any("mean of" in line for line in rows)
    with pytest.raises(click.UsageError, match="objective=cost"):
        table(compared(policies, None))


def test_savings_over_periods_count_money_and_add_variances():
    one = {"rule": Saving(10.0, 0.2, (0.1, 0.3), 0.99)}  # 8 against 10, give or take 1
    two = {"rule": Saving(20.0, 0.3, (0.225, 0.375), 0.99)}  # 14 against 20, give or take 1.5
    lines = over_periods(
        {"2020-01-01": savings_of((), 8.0, one), "2020-07-01": savings_of((), 14.0, two)}
    )
    half = (1**2 + 1.5**2) ** 0.5 / 30
    saved = 1 - 22 / 30
    assert lines[2] == "| agents | 8.00 | 14.00 | 11.00 |  |"
    rows = f"{saved:+.1%} [{saved - half:+.1%}, {saved + half:+.1%}]"
    assert lines[3] == f"| rule | 10.00 | 20.00 | 15.00 | {rows} |"
