"""`load`: the policy of a run plays the environment as evaluation plays its batch."""

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.evaluation import evaluate_policy

from agents import run_folder
from agents.config import resolve
from agents.tuned_file import Recommendation, read_recommendation
from baselines.rollout import run_episodes
from common.errors import InputError
from envs import CashInventoryVectorEnv, SupplyChainEnv
from envs.external.registration import register_environment
from training import load
from training.learners.load import load_agent
from training.phases import resolve_phases, train_phases
from training.trainer import train

EPISODES = 3


class InTurn(gymnasium.Env):
    """Of its two actions one is valid at a time, by turns."""

    observation_space = gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):  # noqa: ARG002
        super().reset(seed=seed)
        self.turn = 0
        return np.zeros(1, np.float32), {}

    def action_masks(self):
        return np.arange(2) == self.turn % 2

    def step(self, action):
        self.turn += 1
        return np.zeros(1, np.float32), float(action), False, self.turn == 4, {}


QUICK = ("evaluation.every=200", "evaluation.episodes=5", "evaluation.pictures=0")
CASH = (*QUICK, "timesteps=400", "n_envs=8", "max_steps=10")
CHAIN = (*QUICK, "timesteps=300", "n_envs=6", "horizon=8", "team.turns=1")
ON_POLICY = ("n_steps=8", "batch_size=24", "n_epochs=2", "net_arch=[8]")
OFF_POLICY = ("learning_starts=50",)


def evaluated(run, name="best_model.zip"):
    """Return traces of evaluation, and what the run's model earns on them in a batch."""
    return played(*load_agent(run, name))


def played(config, policy):
    """Return traces of evaluation, and what a policy earns on them in a batch."""
    trace = config.problem.traces(config.parameters, "evaluation", 1, EPISODES)
    step = config.settings.observation.step
    batch = config.problem.make_batch(config.parameters, EPISODES, observe_step=step)
    policy.bind(batch)
    return trace, run_episodes(batch, policy, trace)["return"]


def episodes(trace):
    return [{k: v[i] for k, v in trace.items()} for i in range(EPISODES)]


@pytest.mark.parametrize("algo", ["dqn", "recurrent_ppo", "maskable_ppo"])
@pytest.mark.parametrize("observed", [False, True], ids=["step inside", "step in the observation"])
def test_a_cash_run_earns_in_gymnasium_what_evaluation_says(algo, observed, trained_once):
    own = "learning_starts=50" if algo == "dqn" else "n_epochs=2"
    config = resolve({"algo": algo}, assignments=(*CASH, own))
    run = trained_once(config).folder
    trace, expected = evaluated(run)
    policy = load(run)
    assert policy.models == {"": run / "best_model.zip"}
    assert "best_model.zip" in str(policy)
    shown = {"observe_step": observed}  # the step, or not: the policy counts
    env = gymnasium.make("CashInventory-v0", **{**policy.env_kwargs, **shown})
    for one, total in zip(episodes(trace), expected, strict=True):
        observation, _ = env.reset(options={"trace": one})
        policy.reset()
        earned, over = 0.0, False
        while not over:
            action, _ = policy.predict(observation)
            observation, reward, terminated, truncated, _ = env.step(action)
            earned, over = earned + reward, terminated or truncated
        assert earned == pytest.approx(total)


def test_a_batch_of_episodes_and_the_evaluation_of_stable_baselines(trained_once):
    config = resolve({"algo": "recurrent_ppo"}, assignments=(*CASH, "n_epochs=2"))
    model = trained_once(config).folder / "model.zip"
    policy = load(model)
    assert policy.models == {"": model}
    trace = config.problem.traces(config.parameters, "evaluation", 1, EPISODES)
    env = CashInventoryVectorEnv(EPISODES, **config.parameters.model_dump())
    observation, _ = env.reset(options={"trace": trace})
    together, state = policy.predict(observation)
    assert together.shape == (EPISODES,)
    again, _ = policy.predict(observation, state, episode_start=np.ones(EPISODES, bool))
    np.testing.assert_array_equal(together, again)
    one = gymnasium.make("CashInventory-v0", **config.parameters.model_dump())
    mean, _ = evaluate_policy(policy, one, n_eval_episodes=EPISODES, warn=False)
    assert np.isfinite(mean)
    policy.reset()
    for _ in range(10):
        policy.predict(observation)
    with pytest.raises(InputError, match=r"episode of 10 steps is over: call reset\(\)"):
        policy.predict(observation)
    with pytest.raises(InputError, match=r"observation: has shape \(2,\), and the run's has 7"):
        policy.predict(np.zeros(2))
    with pytest.raises(InputError, match="observation: holds nan; must be finite"):
        policy.predict(np.full(7, np.nan))
    with pytest.raises(InputError, match="observation: must be an array"):
        policy.predict({"store_1": np.zeros(7)})


def test_masks_of_an_environment_of_one_s_own_are_those_of_the_one_that_is_stepped(tmp_path):
    name = f"{__name__}:InTurn"
    register_environment(name)
    quick = (*QUICK, "timesteps=64", "n_envs=2", "n_steps=8", "batch_size=16", "net_arch=[8]")
    config = resolve({"problem": name, "algo": "maskable_ppo"}, assignments=quick)
    policy = load(train(config, tmp_path / "run").folder)
    env = InTurn(**policy.env_kwargs)
    observation, _ = env.reset()
    with pytest.raises(InputError, match=r"which actions are valid: call bind\(env\)"):
        policy.predict(observation)
    policy.bind(env)
    chosen = []
    for _ in range(4):
        action, _ = policy.predict(observation)
        observation, *_ = env.step(action)
        chosen.append(action)
    assert chosen == [0, 1, 0, 1]
    with pytest.raises(InputError, match="env: its actions are Discrete"):
        policy.bind(gymnasium.make("CashInventory-v0"))


def chain_run(folder, algo="ppo", *more, **flags):
    own = OFF_POLICY if algo == "dqn" else ON_POLICY
    config = resolve({"algo": algo, "stores": 2, **flags}, assignments=(*CHAIN, *own, *more))
    return train(config, folder).folder


def earned(policy, trace):
    """Return the stores' returns in PettingZoo, one per episode."""
    env = SupplyChainEnv(split="evaluation", **policy.env_kwargs)
    policy.bind(env)
    totals = []
    for one in trace:
        observations, _ = env.reset(options={"trace": one})
        policy.reset()
        totals.append(0.0)
        while env.agents:
            actions, _ = policy.predict(observations)
            observations, rewards, *_ = env.step(actions)
            stores = [r for agent, r in rewards.items() if "store" in agent]
            totals[-1] += np.mean(stores)
    return totals


KINDS = [("ppo", "shared"), ("ppo", "joint"), ("dqn", "joint"), ("ppo", "independent")]


@pytest.mark.parametrize(("algo", "team"), KINDS)
def test_stores_earn_in_pettingzoo_what_evaluation_says(algo, team, tmp_path):
    run = chain_run(tmp_path / "run", algo, "observation.step=true", policy=team)
    trace, expected = evaluated(run)
    policy = load(run)
    assert all(path.name == "best_model.zip" for path in policy.models.values())
    assert set(policy.models) == {"store"} if team != "independent" else {"store_1", "store_2"}
    assert earned(policy, episodes(trace)) == pytest.approx(expected)


def test_rules_play_who_has_no_model_once_they_see_the_environment(tmp_path):
    policy = load(chain_run(tmp_path / "run"))
    env = SupplyChainEnv(
        stores=2, **{"horizon": 8, "observation": policy.config.parameters.observation}
    )
    observations, _ = env.reset(seed=1)
    with pytest.raises(InputError, match=r"agent 'warehouse' has no model in this run; call bind"):
        policy.predict(observations)
    stores = {agent: row for agent, row in observations.items() if "store" in agent}
    alone, _ = policy.predict(stores)
    assert set(alone) == {"store_1", "store_2"}
    twice, _ = policy.predict({agent: np.stack([row, row]) for agent, row in stores.items()})
    assert {agent: chosen.tolist() for agent, chosen in twice.items()} == {
        agent: [chosen, chosen] for agent, chosen in alone.items()
    }
    policy.bind(env)
    together, _ = policy.predict(observations)
    assert {agent: together[agent] for agent in stores} == alone
    env.step(together)
    with pytest.raises(InputError, match="make it with `env_kwargs` of the policy"):
        policy.bind(SupplyChainEnv(stores=3))
    vector = gymnasium.make_vec("CashInventory-v0", 2, vectorization_mode="sync")
    with pytest.raises(InputError, match="env: SyncVectorEnv is no environment of the stores prob"):
        policy.bind(vector)
    with pytest.raises(InputError, match="unknown agent 'shop'"):
        policy.predict({"shop": stores["store_1"]})


def test_a_run_that_recommends_a_rule_gives_the_rule(demand_file, tmp_path):
    flags = {"demand": demand_file["file"], "split": demand_file["split"], "stores": None}
    run = chain_run(tmp_path / "run", **flags)
    advice = {"name": "newsvendor_average", "values": {}, "sentence": "", "figures": {}}
    Recommendation(kind="rule", **advice).write(run)
    config = run_folder.read_config(run)
    trace, expected = played(config, read_recommendation(run).rule(config.parameters))
    policy = load(run)
    assert str(policy) == "LoadedPolicy(RollingNewsvendor('average'), in whole units)"
    env = SupplyChainEnv(**policy.env_kwargs)
    with pytest.raises(InputError, match=r"bind\(env\) of the policy, so that its rule plays"):
        policy.predict(env.reset(seed=0)[0])
    assert earned(policy, episodes(trace)) == pytest.approx(expected)


def test_a_folder_of_phases_means_the_best_model_of_every_player(tmp_path):
    flags = {"algo": "ppo", "stores": 2}
    configs = resolve_phases((1, 2, 3, 4), flags, assignments=(*CHAIN, *ON_POLICY))
    folder, _ = train_phases((1, 2, 3, 4), configs, tmp_path / "run")
    players = folder / "phase_4" / "players"
    named, model = run_folder.find(str(folder))
    assert (named, model) == (folder / "phase_4", "best_model.zip")
    policy = load(folder)
    assert policy.models == {
        name: players / name / "best_model.zip" for name in ("store", "warehouse", "supplier")
    }
    trace, expected = evaluated(folder / "phase_4")
    env = SupplyChainEnv(**policy.env_kwargs)
    observations, _ = env.reset(options={"trace": episodes(trace)[0]})
    actions, _ = policy.predict(observations)  # all have a model, so nothing need be bound
    assert set(actions) == set(env.agents)
    assert earned(policy, episodes(trace)) == pytest.approx(expected)
