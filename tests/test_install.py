import os
import re
import subprocess
import sys
import sysconfig
import venv
from configparser import ConfigParser
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
OLDEST = CHECKOUT / "constraints-oldest.txt"
PLAY = """
import envs, gymnasium
observation, _ = gymnasium.make("CashInventory-v0").reset(seed=1)
print(observation.shape)
"""


def run(*command, folder):
    """Run a command without what pytest and make put into the environment."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True)


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Return the interpreter of a new environment, which borrows the packages of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"])
    return folder / "bin" / Path(sys.executable).name


PIP = "-m", "pip", "--disable-pip-version-check"
OFFLINE = "--no-deps", "--no-build-isolation", "--no-index"


def test_an_editable_install_is_importable_from_any_folder(python, tmp_path):
    done = run(python, *PIP, "install", *OFFLINE, "-e", CHECKOUT, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run(python, "-c", PLAY, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(6,)\n"
    found = "from importlib.metadata import entry_points as e; e(group='gymnasium.envs')"
    done = run(python, "-c", f"{found}['__root__'].load()()", folder=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["wheel", "install"])
def test_an_archive_is_refused_in_one_sentence(python, tmp_path, command):
    done = run(python, *PIP, command, *OFFLINE, CHECKOUT, folder=tmp_path)
    assert done.returncode != 0
    assert "[1 lines of output]" in done.stderr
    assert "install its checkout with: pip install -e ." in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_lower_bounds_are_the_oldest_versions_that_are_tried():
    config = ConfigParser()
    config.read(CHECKOUT / "setup.cfg")
    asked = re.findall(r"^([\w-]+) >=([\d.]+)", config["options"]["install_requires"], re.MULTILINE)
    tried = dict(re.findall(r"^([\w-]+)==([\d.]+)", OLDEST.read_text(), re.MULTILINE))
    assert len(asked) > 15
    for name, bound in asked:
        assert re.fullmatch(rf"{re.escape(bound)}(\.0)*", tried[name]), name
