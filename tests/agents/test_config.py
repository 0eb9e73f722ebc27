from pathlib import Path

import pytest
import yaml

from agents.algorithms import ALGORITHMS
from agents.config import CONFIGS, from_dict, read_yaml, resolve
from common.errors import InputError

FILES = sorted(CONFIGS.glob("*.yaml"))


def recipes_of(file):
    recipes = read_yaml(file).get("recipes", {})
    return [(file, recipe, algo) for recipe, algos in recipes.items() for algo in algos]


@pytest.mark.parametrize(
    ("file", "recipe", "algo"),
    [case for file in FILES for case in recipes_of(file)],
    ids=lambda part: getattr(part, "stem", part),
)
def test_every_shipped_recipe_resolves(file, recipe, algo):
    run = resolve({"algo": algo, "recipe": recipe}, config=file)
    assert run.settings.algo == algo
    again = from_dict(yaml.safe_load(run.to_yaml()))
    assert again == run


def test_every_algorithm_has_a_default_recipe():
    assert set(read_yaml(CONFIGS / "cash.yaml")["recipes"]["default"]) == set(ALGORITHMS)


def test_the_reference_recipe_is_as_written():
    run = resolve({"algo": "dqn", "recipe": "reference"})
    h = run.hyperparameters.model_dump()
    written = {
        "net_arch": (64, 64, 64),
        "activation": "relu",
        "learning_rate": 1e-4,
        "gamma": 0.95,
        "batch_size": 64,
        "buffer_size": 50_000,
        "learning_starts": 3_000,
        "target_update_interval": 1_000,
        "max_grad_norm": 0.5,
        "exploration_initial_eps": 1.0,
        "exploration_final_eps": 0.1,
        "exploration_fraction": pytest.approx(2 / 3),
    }
    assert {name: h[name] for name in written} == written
    assert run.settings.reward.standardize
    stages = run.settings.curriculum.stages
    assert [(s.start, s.parameters["max_steps"]) for s in stages] == [
        (0, 50),
        (8_000, 150),
        (18_000, 300),
    ]
    episodes = [(8_000, 50), (10_000, 150), (12_000, 300)]
    assert run.settings.timesteps == sum(count * steps for count, steps in episodes)


def test_flags_win_over_the_file_and_set_wins_over_flags(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("algo: ppo\nseed: 4\ntimesteps: 1e3\nparameters: {holding_cost: 0.3}\n")
    run = resolve({"seed": 5, "algo": None}, config=file)
    assert (run.settings.algo, run.settings.seed, run.settings.timesteps) == ("ppo", 5, 1000)
    assert run.parameters.holding_cost == 0.3
    run = resolve({"seed": 5}, config=file, assignments=("seed=6", "holding_cost=0.4"))
    assert (run.settings.seed, run.parameters.holding_cost) == (6, 0.4)


def test_a_runs_own_configuration_can_be_run_again(tmp_path):
    run = resolve({"algo": "ppo"}, assignments=("learning_rate=1e-5", "buy_lots=[1, 5]"))
    file = tmp_path / "config.yaml"
    file.write_text(run.to_yaml())
    assert resolve({}, config=file) == run


@pytest.mark.parametrize(
    ("assignment", "found"),
    [
        ("max_steps=20", lambda run: run.parameters.max_steps == 20),
        ("parameters.max_steps=20", lambda run: run.parameters.max_steps == 20),
        ("gamma=0.5", lambda run: run.hyperparameters.gamma == 0.5),
        ("observation.step=false", lambda run: run.settings.observation.step is False),
        ("buffer_size=1e4", lambda run: run.hyperparameters.buffer_size == 10_000),
        ("net_arch=[8, 8]", lambda run: run.hyperparameters.net_arch == (8, 8)),
    ],
)
def test_set_finds_a_setting_by_its_dotted_or_short_name(assignment, found):
    assert found(resolve({}, assignments=(assignment,)))


def test_set_changes_an_entry_of_a_list_after_all_else():
    assignments = ("stores[1].reorder_point=250", "stores=2", "stores[1].initial_on_hand=9")
    run = resolve({"stores": 3}, assignments=assignments)
    kept = {"demand_multiplier": 1.2, "initial_on_hand": 9, "reorder_point": 250}
    written = run.to_dict()["parameters"]["stores"]
    assert written == [{"demand_multiplier": 1.0, "initial_on_hand": 500}, kept]
    assert from_dict(run.to_dict()).parameters == run.parameters


def test_a_run_of_a_plugin_s_algorithm_says_how_it_becomes_known():
    with pytest.raises(InputError, match=r"unknown algorithm 'patient'.* plugin needs --plugin"):
        from_dict({"algo": "patient"})


def test_a_data_file_is_found_beside_its_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = resolve({}, config=Path(CONFIGS / "bakery.yaml"))
    assert run.parameters.demand_data.file.is_absolute()


@pytest.mark.parametrize(
    ("flags", "assignments", "message"),
    [
        ({"algo": "dpn"}, (), "unknown algorithm 'dpn'; did you mean 'dqn'"),
        ({"problem": "cahs"}, (), "unknown problem 'cahs'"),
        ({"recipe": "refrence"}, (), "did you mean 'reference'"),
        ({"recipe": "reference", "algo": "ppo"}, (), "recipe 'reference' has no ppo"),
        ({"n_envs": 0}, (), "n_envs = 0"),
        ({"split": "2020-01-01"}, (), "--split: is about a file of days; name one with --demand"),
        ({"demand": "a", "prices": "b"}, (), "--demand belongs to --problem stores, not cash"),
        ({"prices": "a.csv", "problem": "stores"}, (), "--prices belongs to --problem cash"),
        ({"prices": "a.csv", "augment": "bootstrap"}, (), "--augment makes days of stores"),
        ({"prices": "nowhere.csv"}, (), "demand_data.file .*no such file"),
        ({"seed": -1}, (), "seed = -1"),
        ({"device": "gpu"}, (), "device = 'gpu'"),
        ({}, ("holding_cots=1",), "did you mean 'holding_cost'"),
        ({}, ("store.lead_time=4",), "'store.lead_time'; it belongs to --problem stores$"),
        ({}, ("clip_range=1",), "to --algo ppo, maskable_ppo, recurrent_ppo$"),
        ({}, ("normalize=fixed",), r"did you mean observation.normalize or reward.normalize\?$"),
        ({"stores": 3}, ("lead_time=4",), r"did you mean store.lead_time or supplier.lead_time\?$"),
        ({"stores": 3}, ("demand_multiplier=2",), r"mean stores\[0\].demand_multiplier\?$"),
        ({"stores": 3}, ("max_steps=60",), "it belongs to --problem cash$"),
        ({}, ("reward.scal=1",), "did you mean 'scale'"),
        ({}, ("hyperparameters.gama=1",), "did you mean 'gamma'"),
        ({}, ("holding_cost",), "must be key=value"),
        ({}, ("holding_cost=[",), "is not a value in YAML"),
        ({}, ("holding_cost=-1",), "holding_cost = -1"),
        ({}, ("algo=ppo",), "use --algo"),
        ({}, ("parameters=3",), "must be a mapping"),
        ({"algo": "ppo"}, ("reward.standardize=true",), "ppo has none"),
        ({"algo": "ppo"}, ("observation.scale=[1]",), "no meaning where normalize is running; set"),
        ({}, ("curriculum.stages=[{start: 5, parameters: {}}]",), "must start at 0"),
        ({"stores": 3}, ("stores[3].reorder_point=1",), "stores has 3, from"),
        ({"stores": 3}, ("stores[0].reorder=1",), "did you mean 'reorder_point'"),
        ({"stores": 3}, ("stores[0].reorder_point=-1",), "greater than or equal to 0"),
        ({}, ("max_steps[0].x=1",), "max_steps is no list of entries"),
        ({}, ("curriculum.stages=[{start: 0, parameters: {x: 1}}]",), "unknown key 'curriculum.x'"),
        (
            {},
            ("curriculum.stages=[{start: 0, parameters: {buy_lots: [2]}}]",),
            "buy_lots cannot change",
        ),
        ({}, ("hyperparameters=[]",), "must be a mapping"),
        (
            {},
            ("reward.scale=0",),
            "scale = 0: input should be greater than 0 or input should be 'auto'$",
        ),
        ({}, ("buy_lots=3",), "buy_lots = 3: must be a list"),
        ({}, ("demand_data=5",), "demand_data = 5: must be a mapping"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(flags, assignments, message):
    with pytest.raises(InputError, match=message) as refused:
        resolve(flags, assignments=assignments)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "must hold a mapping"),
        ("a: [", "not readable as YAML"),
        ("a: !!python/object/apply:os.system ['true']", "not readable as YAML"),
        ("recipes: 3", "recipes = 3"),
        ("recipes: {default: {dqn: 7}}", r"recipes\.default\.dqn = 7"),
        ("learning_rate: 1e-3", "'learning_rate'; it belongs under hyperparameters"),
        ("recipes: {default: {dqn: {gamma: 1}}}", "'gamma'; it belongs under hyperparameters"),
        ("holding_cost: 1", "unknown key 'holding_cost'; it belongs under parameters"),
        ("parameters: {holding_cost: 2020-01-01}", "holding_cost = 2020-01-01: input should be a"),
        ("\x00", "not readable as YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, text, message):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        resolve({}, config=file)
    assert "\n" not in str(refused.value)
