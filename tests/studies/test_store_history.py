from types import SimpleNamespace

import click
import pytest

from evaluation.money import Money, Saving
from studies.store_history import table


def test_the_table_has_a_row_per_policy_and_one_for_the_seeds_together():
    policies = {
        name: SimpleNamespace(metrics={"cost_per_day": cost, "fill_rate": 0.995})
        for name, cost in (("seed_0", 9.0), ("seed_1", 8.0), ("tuned_base_stock", 10.0))
    }
    saving = Saving(10.0, 0.15, (-0.012, 0.312), 0.995)
    money = Money(("seed_0", "seed_1"), 8.5, 0.995, {"tuned_base_stock": saving})
    told = table(SimpleNamespace(policies=policies, money=money, notes=("a note",)))
    assert told[2:] == [
        "| seed_0 | 9.00 | 99.5% |  |",
        "| seed_1 | 8.00 | 99.5% |  |",
        "| mean of 2 seeds | 8.50 | 99.5% | |",
        "| tuned_base_stock | 10.00 | 99.5% | +15.0% [-1.2%, +31.2%] |",
        "",
        "a note",
    ]
    with pytest.raises(click.UsageError, match="objective=cost"):
        table(SimpleNamespace(policies=policies, money=None, notes=()))
