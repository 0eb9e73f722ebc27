"""What begins a cluster: the command lines in deploy/ are such as Ray takes."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"


def ray_lines():
    """Return every command line of Ray in deploy/, the words after `ray`."""
    services = yaml.safe_load((DEPLOY / "cluster.yaml").read_text())["services"]
    lines = [service["entrypoint"] for service in services.values()]
    script = (DEPLOY / "slurm.sh").read_text().replace("\\\n", " ")
    values = {"$port": "6379", "$head": "node1", "$SLURM_CPUS_PER_TASK": "4"}
    for line in script.splitlines():
        if " ray " in line and not line.startswith("#"):
            for name, value in values.items():
                line = line.replace(name, value)
            lines.append(["ray", *shlex.split(line.partition(" ray ")[2].rstrip("& "))])
    return lines


def test_ray_takes_them():
    scripts = pytest.importorskip("ray.scripts.scripts", reason="no Ray: pip install '.[cluster]'")
    lines = ray_lines()
    assert len(lines) == 4
    for program, command, *options in lines:
        assert (program, command) == ("ray", "start")
        given = scripts.start.make_context("start", options).params
        assert given["block"]
        assert bool(given["head"]) != bool(given["address"])


def test_a_head_and_a_worker_are_one_image_and_share_the_runs():
    services = yaml.safe_load((DEPLOY / "cluster.yaml").read_text())["services"]
    head, worker = services["head"], services["worker"]
    assert head["environment"]["RAY_AUTH_MODE"] == "token"
    for name in ("build", "volumes", "cap_drop", "environment", "secrets"):
        assert head[name] == worker[name]
    assert (DEPLOY.parent / head["build"]["dockerfile"]).is_file()


@pytest.mark.skipif(shutil.which("sh") is None, reason="no sh")
def test_the_script_of_slurm_is_one():
    done = subprocess.run(
        ["sh", "-n", str(DEPLOY / "slurm.sh")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
