"""Shards on a Ray cluster of two nodes on this machine: the same results, byte for byte."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from common import ray_cluster
from common.errors import InputError
from common.shards import HERE, map_shards
from tests.agents.dcl.shared_out import all_labels, evaluation
from tests.commands.sharded import decided, write_run
from tests.common.test_shards import square

ray = pytest.importorskip("ray", reason="no Ray: pip install -e '.[cluster]'")
ROOT = Path(__file__).parents[2]

DRIVER = """
import json
from ray.cluster_utils import Cluster
from common.errors import InputError
from common.shards import Workers, map_shards
from common.sharing import share_out
from tests.agents.dcl.shared_out import all_labels, evaluation
from tests.agents.small_run import SMALL
from tests.commands.sharded import decided
from tests.common.test_shards import die, square
from agents import run_files, run_folder
from agents.config import resolve
from training.seeds import train_seeds
import sys
from pathlib import Path

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
here = Workers(cluster=cluster.address)
done = {"values": map_shards(square, 10, range(5), here)}
try:
    map_shards(die, None, range(3), here)
except InputError as error:
    done["death"] = str(error)
root = Path(sys.argv[1])
train_seeds((0, 1), [resolve({"algo": "ppo"}, assignments=SMALL)], root, workers=here)
done["weights"] = [
    run_folder.read_versions(folder)["weights"] for folder in run_files.seed_folders(root)
]
done["evaluation"] = evaluation(here)
done["decisions"] = decided(Path(sys.argv[2]), here)
with share_out(here):
    done["labels"] = all_labels()
cluster.shutdown()
print(json.dumps(done))
"""


@pytest.fixture(scope="module")
def on_two_nodes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    write_run(folder)
    script = folder / "driver.py"
    script.write_text(DRIVER)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    environment["RAY_AUTH_MODE"] = "disabled"  # else a token in the home folder decides
    done = subprocess.run(
        [sys.executable, script, folder / "seeds", folder],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {**json.loads(done.stdout.splitlines()[-1]), "folder": folder}


def test_results_are_those_of_one_process(on_two_nodes):
    assert on_two_nodes["values"] == map_shards(square, 10, range(5), HERE)


def test_seeds_learn_the_weights_that_they_learn_alone(on_two_nodes, tmp_path):
    from agents.config import resolve
    from agents.run_folder import read_versions
    from tests.agents.small_run import SMALL
    from training.trainer import train

    for seed, weights in enumerate(on_two_nodes["weights"]):
        config = resolve({"algo": "ppo", "seed": seed}, assignments=SMALL)
        assert read_versions(train(config, tmp_path / str(seed)).folder)["weights"] == weights


def test_an_evaluation_is_the_same_bytes(on_two_nodes):
    assert on_two_nodes["evaluation"] == evaluation(HERE)


def test_decisions_are_the_same(on_two_nodes):
    assert on_two_nodes["decisions"] == decided(on_two_nodes["folder"])


def test_labels_are_the_same(on_two_nodes):
    assert on_two_nodes["labels"] == json.loads(json.dumps(all_labels()))


def test_a_shard_whose_worker_dies_twice_is_named(on_two_nodes):
    assert "shard 1 of 3 failed 2 times: its worker died" in on_two_nodes["death"]


def test_what_is_no_cluster_is_one_line(monkeypatch):
    def refuse(**_):
        raise RuntimeError(
            "Version mismatch: The cluster was started with:\n    Ray: 2.1.0\n    Python: 3.8.1\n"
            "This process on node 1.2.3.4 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7"
        )

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(InputError, match=r"the cluster has Ray 2\.1\.0 and Python 3\.8\.1, this"):
        ray_cluster._connect("auto")
    monkeypatch.setattr(ray, "init", lambda **_: (_ for _ in ()).throw(ConnectionError("none")))
    with pytest.raises(InputError, match=r"--cluster auto: no Ray cluster there \(none\)"):
        ray_cluster._connect("auto")
