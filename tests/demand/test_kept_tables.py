"""A large file is parsed once: what is kept of it is the same table, as long as nothing changes."""

import datetime as dt

import numpy as np
import pytest

from baselines.rules.reference import reference_team
from baselines.rules.rolling_newsvendor import RollingNewsvendor
from common.compiled import user_cache
from common.errors import InputError, validated
from demand import history, reader
from demand.forecasts import smoothing
from demand.reader import DemandSource, read_demand
from envs.supply_chain.batch import SupplyChainBatch
from envs.supply_chain.parameters import SupplyChainParameters

ROWS = ["date,store,demand,in_stock,promotion,event"]
ROWS += [
    f"{dt.date(2022, 1, 1) + dt.timedelta(days=k)},{store},{5 + k % 7 + 0.1 * n},"
    f"{int(k % 11 > 0)},{int(k % 9 == 0)},{'fair' if k % 30 == 3 else ''}"
    for k in range(120)
    for n, store in enumerate(("north", "south"))
]


@pytest.fixture
def file(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(reader, "LEAST_KEPT", 1)
    path = tmp_path / "sales.csv"
    path.write_text("\n".join(ROWS))
    return path


def read(path, monkeypatch=None, **more):
    """Read as another process would; with `monkeypatch`, nothing may be parsed."""
    reader._read.cache_clear()
    if monkeypatch is not None:
        monkeypatch.setattr(reader, "_parsed", lambda *_: pytest.fail("parsed again"))
    return read_demand(DemandSource(file=path), **more)


def test_what_is_kept_is_the_same_table(file, monkeypatch):
    first = read(file)
    again = read(file, monkeypatch)
    assert again is not first
    for name in ("name", "kind", "first_day", "stores", "skus", "columns", "filled", "period"):
        assert getattr(again, name) == getattr(first, name)
    np.testing.assert_array_equal(again.demand, first.demand)
    np.testing.assert_array_equal(again.cut_off, first.cut_off)
    assert again.covariates.first_day == first.covariates.first_day
    for one, other in zip(again.covariates.columns, first.covariates.columns, strict=True):
        assert (one.name, one.labels) == (other.name, other.labels)
        np.testing.assert_array_equal(one.nothing, other.nothing)
        np.testing.assert_array_equal(one.values, other.values)


def test_what_is_learned_of_training_days_is_kept(file, monkeypatch):
    monkeypatch.setattr(history, "LEAST_KEPT", 1)
    given = {"demand_data": {"file": file}, "horizon": 5}

    def levels():
        reader._read.cache_clear()
        history._history.cache_clear()
        parameters = validated(SupplyChainParameters, given)
        rule = reference_team(store=RollingNewsvendor("smoothing"))
        batch = SupplyChainBatch(parameters, 1, split="validation")
        rule.bind(batch)
        rule.predict(batch.observation())
        return batch.store_orders()

    first = levels()
    monkeypatch.setattr(smoothing, "_squared_errors", lambda *_, **__: pytest.fail("again"))
    monkeypatch.setattr(RollingNewsvendor, "_learn", lambda *_: pytest.fail("learned again"))
    np.testing.assert_array_equal(levels(), first)
    file.write_text("\n".join(ROWS).replace("5.0", "6.0"))
    with pytest.raises(pytest.fail.Exception, match="again"):
        levels()


def test_what_was_learned_of_goods_that_keep_for_less_is_not_taken(file, monkeypatch, tmp_path):
    monkeypatch.setattr(history, "LEAST_KEPT", 1)
    items = tmp_path / "items.csv"

    def days(life):
        items.write_text(f"store,unit_cost,shelf_life\nnorth,2,{life}\nsouth,2,{life}\n")
        given = {"demand_data": {"file": file, "items": items}, "horizon": 5}
        batch = SupplyChainBatch(validated(SupplyChainParameters, given), 1, split="validation")
        rule = RollingNewsvendor("smoothing")
        rule.bind(batch)
        return rule._tables.days[1].tolist()

    assert days(2) == [4]  # until what is ordered expires, a lead time of 2 first
    assert days(9) == [11]


def test_another_content_is_read(file):
    first = read(file)
    file.write_text("\n".join(ROWS).replace("5.0", "6.0"))
    assert read(file).demand.sum() > first.demand.sum()


def test_days_to_come_are_refused_though_they_are_kept(file):
    read(file)
    assert list(user_cache().rglob("*.npz"))
    with pytest.raises(InputError, match="is in the future"):
        read(file, today=dt.date(2022, 2, 1))


def test_small_tables_are_not_kept(file, monkeypatch):
    monkeypatch.setattr(reader, "LEAST_KEPT", 1000)
    read(file)
    assert not list(user_cache().rglob("*.npz"))
