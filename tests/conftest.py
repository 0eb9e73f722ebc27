import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pytest
from hypothesis import settings

from common import console
from tests.golden_cases import golden_cases

settings.register_profile("project", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("project")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that asks for a `cash_case` or `chain_case` all golden trajectories of it."""
    for problem in ("cash", "chain"):
        if f"{problem}_case" in metafunc.fixturenames:
            cases = golden_cases(f"{problem}_*.json")
            metafunc.parametrize(f"{problem}_case", cases.values(), ids=cases.keys())


@dataclass(frozen=True)
class Finished:
    status: int
    stdout: str
    stderr: str


@pytest.fixture
def run_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Finished]:
    """Run a command in this process as its script would, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(command: click.Command, *arguments: object) -> Finished:
        monkeypatch.setattr(sys, "argv", ["script", *map(str, arguments)])
        with pytest.raises(SystemExit) as leaving:
            console.run(command)
        captured = capsys.readouterr()
        status = leaving.value.code
        assert isinstance(status, int)
        return Finished(status, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def demand_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("demand") / "days.csv"
    days = np.arange("2020-01-01", "2021-07-01", dtype="datetime64[D]")
    demand = np.random.default_rng(0).integers(130, 301, days.size)
    rows = [f"{day},{units}" for day, units in zip(days, demand, strict=True)]
    path.write_text("\n".join(["date,shop", *rows]))
    return {"file": path, "column": "shop", "split": "2021-01-01"}


@pytest.fixture
def bakery():
    """The shipped demand file, as a configuration names it."""
    file = Path(__file__).parents[1] / "data" / "bakery_3stores.csv"
    return {"file": file, "column": "store_37", "split": "2018-07-01"}
