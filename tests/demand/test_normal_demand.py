import datetime as dt
import itertools

import numpy as np
import pytest

from common.errors import InputError, validated
from envs.cash.price_history import DemandFile, demand_period


def demand_file(tmp_path, text, **more):
    path = tmp_path / "sales.csv"
    path.write_text(text)
    return validated(
        DemandFile, {"file": path, "column": "shop", "split": "2020-01-08", **more}, "demand_data"
    )


def days(values, start=dt.date(2020, 1, 1)):
    rows = [f"{start + dt.timedelta(days=i)},{value}" for i, value in enumerate(values)]
    return "\n".join(["date,shop", *rows]) + "\n"


def test_no_day_is_in_two_periods(bakery):
    source = validated(DemandFile, bakery)
    parts = [demand_period(source, split) for split in ("training", "validation", "evaluation")]
    assert sum(part.demand.size for part in parts) == 1215
    for former, latter in itertools.pairwise(parts):
        assert former.first_day + dt.timedelta(days=former.demand.size) == latter.first_day
    assert parts[2].first_day == dt.date(2018, 7, 1)
    tuning = demand_period(source, "tuning")
    np.testing.assert_array_equal(tuning.demand, parts[0].demand)


def test_validation_can_be_chosen(tmp_path):
    source = demand_file(tmp_path, days(range(10)), validation="2020-01-03")
    assert demand_period(source, "training").demand.tolist() == [0, 1]
    assert demand_period(source, "validation").demand.tolist() == [2, 3, 4, 5, 6]
    assert demand_period(source, "evaluation").demand.tolist() == [7, 8, 9]


def test_windows_are_consecutive_days_within_the_period(tmp_path):
    source = demand_file(tmp_path, days(range(30)))
    law = demand_period(source, "evaluation")
    drawn = law.draw(np.random.default_rng(0), 500, 4)
    assert (np.diff(drawn, axis=1) == 1).all()
    assert set(drawn[:, 0]) == set(range(7, 27))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as a CSV"),
        ("date,shop\n", "holds a header and no days"),
        ("turn,shop\nfirst,1\n", "no column of dates"),
        ("date,ship\n2020-01-01,1\n", "'shop'; did you mean 'ship'"),
        (days([1, 2, "many", 4]), "row 4: shop = 'many' is not a number"),
        (days([1, -2, 3]), "row 3: shop = '-2' is negative"),
        (days([1, "", 3]), "row 3: shop is empty"),
        (days([1, "inf", 3]), "row 3: shop = 'inf' is not a number"),
        (days([1, 2]).replace("2020-01-02", "soon"), "row 3: date = 'soon' is not a date"),
        (days([1, 2, 3]).replace("2020-01-03", "2020-01-05"), "2020-01-03 is missing before"),
        (
            days([1, 2, 3]).replace("2020-01-03", "2020-01-02"),
            "row 4: 2020-01-02 is a duplicate of row 3",
        ),
        (days([1, 2, 3]), "split = 2020-01-08: must lie after 2020-01-01 and not after"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_row(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as refused:
        demand_period(demand_file(tmp_path, text), "training")
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    source = demand_file(tmp_path, days([1]))
    source.file.write_bytes(b"\xff\xfe\x00date")
    with pytest.raises(InputError, match="cannot be read"):
        demand_period(source, "training")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"demand_data.file.*no such file"):
        validated(
            DemandFile,
            {"file": tmp_path / "x.csv", "column": "shop", "split": "2020-01-01"},
            "demand_data",
        )


def test_a_period_shorter_than_an_episode_is_refused(tmp_path):
    law = demand_period(demand_file(tmp_path, days(range(10))), "evaluation")
    with pytest.raises(InputError, match="has 3 days, an episode needs 9"):
        law.draw(np.random.default_rng(0), 1, 9)
