"""Episodes that are printed step by step, and written as files."""

import csv
import io

import pytest

import evaluate


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


def test_cash_is_printed_in_five_lines_a_step(run_command, tmp_path):
    files = ("--reports", "reports.csv", "--episodes-file", "episodes.csv")
    options = ("--problem", "cash", "--baselines", "buy_buy_convert", "--episodes", 4)
    done = run_command(evaluate.main, *options, "--render", 2, *files)
    assert done.status == 0, done.stderr
    assert "buy_buy_convert, episode 1 of 2" in done.stdout
    assert done.stdout.count("\nRaw Inventory: ") == 2 * 50
    episodes, reports = rows_of(tmp_path / "episodes.csv"), rows_of(tmp_path / "reports.csv")
    assert len(reports) == 4 * 50
    for episode in range(1, 5):
        own = [row for row in reports if row["episode"] == str(episode)]
        (total,) = (
            float(row["return"])
            for row in episodes
            if (row["policy"], row["episode"]) == ("buy_buy_convert", str(episode))
        )
        assert sum(float(row["reward"]) for row in own) == pytest.approx(total)
    assert {row["policy"] for row in episodes} == {"buy_buy_convert", "random", "optimum"}


def test_stores_are_printed_as_the_days_table_and_reconciled_by_agent(run_command, tmp_path):
    options = ("--problem", "stores", "--stores", 2, "--baselines", "reference_rules")
    more = ("--set", "horizon=4", "--episodes", 3, "--render", 1, "--reports", "reports.csv")
    done = run_command(evaluate.main, *options, *more)
    assert done.status == 0, done.stderr
    assert "Day 4 of 4" in done.stdout
    reports = rows_of(tmp_path / "reports.csv")
    assert len(reports) == 3 * 4 * 4
    assert [row["agent"] for row in reports[:4]] == ["store_1", "store_2", "warehouse", "supplier"]
    store, supplier = reports[0], reports[3]
    assert float(store["demand"]) - float(store["sales"]) == float(store["lost_sales"])
    assert supplier["sales"] == ""
    assert float(supplier["fulfillment_rate"]) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--render", 1, "--json"), "--render: prints steps, and --json nothing but JSON"),
        (("--render", -1), "--render"),
        (("--reports", "none/here.csv"), "there is no folder none"),
        (("--textbook", "--render", 1), "--textbook goes with"),
    ],
)
def test_what_does_not_go_together_is_one_line(run_command, options, message):
    done = run_command(evaluate.main, *options)
    assert done.status == 2
    assert message in done.stderr
