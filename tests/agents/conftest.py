import shutil

import pytest

from tests.agents.small_run import train_small


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A small run that no test may change."""
    return train_small(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the small run."""
    return shutil.copytree(finished, tmp_path / "run")
