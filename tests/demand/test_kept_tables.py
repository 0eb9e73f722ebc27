"""A large file is parsed once: what is kept of it is the same table, as long as nothing changes."""

import datetime as dt

import numpy as np
import pytest

from common.compiled import user_cache
from common.errors import InputError
from demand import reader
from demand.reader import DemandSource, read_demand

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
