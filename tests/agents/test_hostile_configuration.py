"""Configurations, ``--set`` values and sizes that nobody should get far with."""

import datetime as dt
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import evaluate
import train
from common.errors import InputError
from common.safe_yaml import MAX_DEPTH, parse_yaml

ROOT = Path(__file__).parents[2]
LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 900))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, "more than 100,000 values"),
        (MERGES, "more than 100,000 values"),
        (CHAIN, f"deeper than {MAX_DEPTH} levels"),
        ("a: &a [*a]", "deeper than"),
        ("a: &a {b: *a}", "deeper than"),
        ("[" * 100_000, "line 1: deeper than"),
        ("{a: " * 10_000, "line 1: deeper than"),
        ("seed: " + "9" * 5000, "a number of 5,000 digits"),
        ("seed: 1\nseed: 2", "line 2: key 'seed' is a duplicate; remove one"),
        ("parameters: {max_steps: 1, max_steps: 2}", "key 'max_steps' is a duplicate; remove one"),
        ("1: 2", "key '1' is not a name"),
        ("null: 2", "key 'null' is not a name"),
        ("true: 2", "key 'true' is not a name"),
        ("[a, b]: 2", "is not a name"),
        ("? {a: b}\n: 2", "is not a name"),
        ("seed: !!int ''", "not readable as YAML"),
        ("seed: !!float ''", "not readable as YAML"),
        ("seed: !!bool maybe", "not readable as YAML"),
        ("seed: !!timestamp soon", "not readable as YAML"),
        ("seed: 2001-99-99", "not readable as YAML"),
        ("seed: !!binary x", "not readable as YAML: tag"),
        ("seed: !!set {a}", "not readable as YAML: tag"),
        ("seed: !!python/object/apply:os.system [ls]", "not readable as YAML: tag"),
        ("seed: !!python/name:os.system", "not readable as YAML: tag"),
        ("seed: !mine 1", "not readable as YAML: tag"),
        ("a: *b", "undefined alias"),
        ("a: 1\n---\nb: 2", "not readable as YAML"),
        ("a:\n\tb: 1", "not readable as YAML"),
        ("a: \x00", "not readable as YAML"),
        ("%YAML 9.9\n---\na: 1", "not readable as YAML"),
        ("a: [1", "not readable as YAML"),
        ("=: 1", "is not a name"),
    ],
    ids=range(32),
)
def test_yaml_that_is_refused(text, message):
    with pytest.raises(InputError) as refused:
        parse_yaml(text)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_left_of_a_text_that_is_too_long_is_not_looked_at(monkeypatch):
    monkeypatch.setattr("common.safe_yaml.MAX_VALUES", 1000)
    long = "a: [" + "1,\n" * 2000
    for text in (long + "]", long + "] nor is: this: YAML", long, "[" + "[]," * 2000 + "]"):
        with pytest.raises(InputError, match="more than 1,000 values"):
            parse_yaml(text)


def test_only_numbers_are_numbers_and_only_truth_is_truth():
    texts = ["1:30:00", "017", "0x1f", "no", "yes", "on", "1e", "."]
    assert parse_yaml(f"[{', '.join(texts)}]") == texts
    values = parse_yaml("[1_000, -3, 2.5, 1., .5, 1e3, .inf, true, False, null, 2020-01-31]")
    assert values == [
        *(1000, -3, 2.5, 1.0, 0.5, 1000.0, float("inf"), True, False, None),
        dt.date(2020, 1, 31),
    ]


def test_aliases_and_merges_stay_of_use():
    assert parse_yaml("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: *a") == {
        "a": {"x": 1},
        "b": {"x": 1, "y": 2},
        "c": {"x": 1},
    }


FILES = {
    "latin": b"seed: \xe9\n",
    "utf-16": "seed: 1".encode("utf-16"),
    "nul": b"seed: \x00",
    "large": b"# " + b"x" * 1_000_001,
    "laughs": LAUGHS.encode(),
    "infinity": b"stop: {gap: .inf}",
    "nan": b"parameters: {holding_cost: .nan}",
    "1e400": b"parameters: {holding_cost: 1e400}",
    "text": b"timesteps: many",
    "list": b"timesteps: [1]",
    "mapping": b"timesteps: {a: 1}",
    "date": b"timesteps: 2020-01-01",
    "long": b"device: " + b"c" * 100_000,
    "long key": b"? " + b"c" * 900_000 + b"\n: 1\n",
    "problem": b"problem: " + b"c" * 100_000,
    "tiers": b"recipes: {default: {dqn: {tiers: 5}}}",
    "tier": b"recipes: {default: {dqn: {tiers: {store: 5}}}}",
    "nul file": b'parameters: {demand_data: {file: "a\\0b", column: x, split: 2020-01-01}}',
    "no file": b"parameters: {demand_data: {file: /dev/zero, column: x, split: 2020-01-01}}",
    "stages": b"curriculum: {stages: [" + b"{start: 0, parameters: {}}," * 2000 + b"]}",
    "team": b"team: 5",
    "phases": b"phases: [1, a]",
    "surrogate file": b'parameters: {demand_data: {file: "\\ud800", split: 2020-01-01}}',
    "surrogate": b'seed: "\\ud800"',
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
@pytest.mark.parametrize("command", [train.main, evaluate.main], ids=["train", "evaluate"])
def test_a_bad_file_is_one_line(content, command, run_command, tmp_path):
    (tmp_path / "bad.yaml").write_bytes(content)
    done = run_command(command, "--config", tmp_path / "bad.yaml")
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 2500
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


SETTINGS = [
    *("", "=", "=1", ".", ".=1", "a.b.c.d.e=1", "parameters.=1", "parameters..x=1", "seed"),
    *("seed=", "seed==1", "seed=1=2", "seed=[", "seed={a", "seed=&a [*a]", "seed=*a", "seed=!!x 1"),
    *("seed=1e400", "seed=.nan", "seed=-.inf", "seed=null", "seed=[1]", "seed.x=1", "seed=\t"),
    *("timesteps=" + "9" * 5000, "timesteps=0x" + "f" * 9999, "max_steps=1.5", "max_steps=true x"),
    *("net_arch=[0]", "net_arch=[[1]]", "net_arch=" + "[" * 5000, "net_arch=[1,1,1,1,1,1,1,1,1]"),
    *("recipes.default.dqn.gamma=1", "problem=cash", "algo=", "parameters=1", "hyperparameters=x"),
    *("observation.scale=[.nan]", "observation.scale=[]x", "curriculum.stages=[1]", "team.turns=x"),
    *("curriculum.stages=[{start: 0, parameters: 1}]", "demand_data.file=x", "demand_data=[]"),
    *("é=1", "seed=é", "seed=\u202e", "seed=\U0001f600", "observation.scale=[-1]", "stop.gap=.inf"),
    *("buffer_size=100000000", "n_envs=99999999", "batch_size=1000000", "gamma=2"),
]


@pytest.mark.parametrize("setting", SETTINGS, ids=range(len(SETTINGS)))
def test_a_bad_setting_is_one_line(setting, run_command, tmp_path):
    more = ("--set", "net_arch=[4096,4096]") if setting.startswith("batch_size") else ()
    done = run_command(train.main, "--set", setting, *more)
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


GREEDY = [
    ("buffer_size=100000000",),
    ("batch_size=1000000", "net_arch=[4096, 4096]"),
    ("evaluation.episodes=1000000", "max_steps=100000"),
    ("n_envs=65536", "max_steps=100000"),
]
GREEDY_STORES = [
    ("stores=10000", "horizon=100000"),
    ("stores=2000", "horizon=2000"),
    ("stores=3000", "evaluation.episodes=100000"),
    ("team.policy=joint", "stores=10000", "net_arch=[4096, 4096]"),
]


@pytest.mark.parametrize(
    ("problem", "settings"),
    [*(("cash", s) for s in GREEDY), *(("stores", s) for s in GREEDY_STORES)],
)
def test_what_needs_too_much_memory_is_refused_before_it_takes_it(
    problem, settings, run_command, tmp_path
):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assignments = [part for text in settings for part in ("--set", text)]
    done = run_command(train.main, "--problem", problem, *assignments)
    assert done.status == 2
    assert "too many" in done.stderr or "GiB of memory" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # KiB


@pytest.mark.parametrize(
    "code",
    [
        "import pickle\npickle.loads(b'')",
        "import cloudpickle",
        "from joblib import load",
        "import shelve",
        "import marshal",
        "import torch\ntorch.load('x')",
        "import torch\ntorch.load('x', weights_only=True)",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import yaml\nyaml.load('x', yaml.Loader)",
        "import yaml\nyaml.unsafe_load('x')",
        "from stable_baselines3.common.save_util import load_from_zip_file",
        "eval('1')",
        "exec('1')",
    ],
)
def test_lint_refuses_what_unpickles_or_evaluates(code):
    command = [sys.executable, "-m", "ruff", "check", "--stdin-filename", "agents/x.py", "-"]
    options = {"input": code, "cwd": ROOT, "capture_output": True, "text": True, "check": False}
    done = subprocess.run([*command, "--select", "S,TID251"], **options)
    assert done.returncode == 1, done.stdout
    assert "TID251" in done.stdout or "S307" in done.stdout or "S102" in done.stdout
