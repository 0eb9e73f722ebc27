"""Who learns and who plays: the learners of a run, and the policies of all other agents.

A problem with one kind of agent has a single learner, whose player's name is empty. In the supply
chain every tier (or every store) is a player: it learns, or a rule or a trained model plays it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from agents import run_files, run_folder
from agents.algorithms import ALGORITHMS, build_model
from agents.config import RunConfig
from agents.dcl.algorithm import DCL
from agents.dcl.offset_fit import follows_rule
from agents.dcl.starting_rule import best_tuned
from agents.initialization import initialize_orders
from agents.players import (
    layout_of,
    learning_batch,
    learning_players,
    offsets_of,
    shaping_rule,
    with_offset_rule,
    with_shaping_rule,
)
from agents.run_files import BEST, ModelFile
from agents.sb3_policy import AgentPolicy, observe, refuse_non_finite, reward_and_running
from agents.tuned_file import read_recommendation
from agents.weights import load_model
from baselines.multi_agent import TeamPolicy, tier_of
from baselines.policy import Actions, Policy, RandomPolicy, Rule
from baselines.rollout import Observer, run_episodes
from baselines.rules.offset import OffsetPolicy
from baselines.rules.reference import reference_rules, reference_team
from baselines.rules.store import Newsvendor
from common.errors import InputError
from common.random_streams import random_stream
from envs.batch import Batch, Outcome
from wrappers.normalize import FixedRewardScale
from wrappers.shaping import RuleShaping
from wrappers.single_agent import ControlledAgents, FlatJointPolicy
from wrappers.vec_env import BatchVecEnv, batch_of

CALIBRATION_WORLDS = 256


@dataclass(frozen=True)
class Learner:
    """A model that learns, and what belongs to it.

    Attributes
    ----------
    player : str
        Whom it plays; empty where there is one kind of agent only.
    config : RunConfig
        Its own configuration, with numbers in place of ``auto``.
    env, model : VecEnv, BaseAlgorithm
        What it learns from, and the model.
    policy : Policy
        The model as a policy.
    """

    player: str
    config: RunConfig
    env: VecEnv
    model: BaseAlgorithm
    policy: Policy


@dataclass(frozen=True)
class Learners:
    """The learners, the policy that all players make up, and the frozen players' folders."""

    learners: list[Learner]
    policy: Policy
    frozen: dict[str, Path]


def calibrate(config: RunConfig, player: str = "", others: TeamPolicy | None = None) -> RunConfig:
    """Replace ``auto`` in the reward settings by numbers.

    The shift is minus the mean, the scale one over the deviation, of a step's reward on training
    traces of the run's seed, days of warm-up left out: under uniformly random play, or with stores
    that follow the newsvendor rule (``reward.calibration``).

    Raises
    ------
    InputError
        If the rule is asked for, and the player is not the stores.
    """
    reward = config.settings.reward
    if "auto" not in (reward.shift, reward.scale):
        return config
    rng = random_stream(config.settings.seed, "training")
    batch = learning_batch(
        config, player, others, CALIBRATION_WORLDS, rng=rng, expected_reward=reward.expected
    )
    policy = _StoresNewsvendor() if reward.calibration == "newsvendor" else RandomPolicy(rng)
    policy.bind(batch)
    seen = _Rewards()
    run_episodes(batch, policy, observer=seen)
    rewards = seen.rewards[getattr(config.parameters, "warmup_days", 0) :] or seen.rewards
    spread = float(np.std(rewards))
    shift = -float(np.mean(rewards)) if reward.shift == "auto" else reward.shift
    scale = 1.0 / spread if spread > 0 and math.isfinite(spread) else 1.0
    numbers = {"shift": _rounded(shift)}
    numbers["scale"] = _rounded(scale) if reward.scale == "auto" else reward.scale
    return replace(config, settings=config.settings.with_numbers(numbers))


class _Rewards(Observer):
    """Keeps the rewards of all worlds until the first of them ends."""

    def __init__(self) -> None:
        self.rewards: list[NDArray[np.float64]] = []
        self._over = False

    @property
    def stops(self) -> bool:
        """Whether a world has ended."""
        return self._over

    def after_step(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Keep a step's rewards."""
        self.rewards.append(outcome.reward)
        self._over = bool((outcome.terminated | outcome.truncated).any())


class _StoresNewsvendor(Rule):
    """The newsvendor rule, in a batch that the stores alone control."""

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on.

        Raises
        ------
        InputError
            If it is controlled by others.
        """
        if not isinstance(batch, ControlledAgents) or batch.player != "store":
            raise InputError("reward.calibration = newsvendor: is for the stores; take random")
        if batch.offsets is not None:
            raise InputError(
                "reward.calibration = newsvendor: the stores choose offsets; take random"
            )
        self._rule, self._shape = Newsvendor(), (batch.num_worlds, -1)
        self._rule.bind(batch.chain)
        self._joint = batch.layout == "joint"

    def actions(self) -> Actions:
        """Return one action per store, or a row of them per world."""
        actions = self._rule.actions()
        return actions.reshape(self._shape) if self._joint else actions


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def training_env(config: RunConfig, player: str = "", others: TeamPolicy | None = None) -> VecEnv:
    """Return the batch that a player learns from, wrapped as its configuration says."""
    s, stages = config.settings, config.stages()
    batch = learning_batch(
        config,
        player,
        others,
        s.n_envs,
        stages[0][1] if stages else config.parameters,
        rng=random_stream(s.seed, "training"),
        split="training",
        observe_step=s.observation.step,
        expected_reward=s.reward.expected,
    )
    env = observe(config, BatchVecEnv(batch, bootstrap_time_limit=not s.observation.step))
    rule = shaping_rule(config)
    if rule is not None:
        shaping = s.reward.shaping
        env = RuleShaping(env, rule, shaping.weight, config.hyperparameters.gamma)
    if (s.reward.shift, s.reward.scale) != (0.0, 1.0):
        env = FixedRewardScale(env, float(s.reward.shift), float(s.reward.scale))
    return reward_and_running(config, env)


def build_learners(config: RunConfig, start: Path | None = None) -> Learners:
    """Build the models that learn, and load all others.

    Parameters
    ----------
    config : RunConfig
        The run.
    start : Path, optional
        A run folder. Its models play, frozen, whoever does not learn; those who do learn begin
        with its weights if it has a model for them.

    Raises
    ------
    InputError
        If a model of `start` does not fit the run.
    """
    names = learning_players(config)
    sources = run_folder.players(start) if start is not None else {}
    if config.settings.team.learn == "all" and not set(names) <= set(sources):
        missing = sorted(set(names) - set(sources))
        raise InputError(
            f"learn = all: fine-tunes models, and there is none for {', '.join(missing)}; name a "
            "run that has them with --from, or use --phases 1-4"
        )
    frozen = {name: path for name, path in sources.items() if name not in names}
    if any(name.startswith("store_") for name in names):
        frozen.pop("store", None)
    if "store" in names:
        frozen = {k: v for k, v in frozen.items() if not k.startswith("store_")}
    if not config.problem.totals:
        learner = _learner(config, "", None, sources.get(""))
        return Learners([learner], learner.policy, {})
    rules = {k: v for k, v in reference_rules().items() if k not in names}
    if not any(name.startswith("store") for name in {*names, *frozen}):
        rules["store"] = reference_rules()["store"]
    players: dict[str, Policy] = {**rules, **_load_players(config, frozen)}
    if any(name.startswith("store_") for name in {*names, *frozen}):
        players.pop("store", None)
    return _with_learners(config, names, players, sources, frozen)


def _with_learners(
    config: RunConfig,
    names: list[str],
    players: dict[str, Policy],
    sources: Mapping[str, Path],
    frozen: dict[str, Path],
) -> Learners:
    """Build the learners, each with a team of all others around it, learning or not."""
    teams = {name: TeamPolicy({}) for name in names}
    learners = [
        _learner(_learner_config(config, name, sources), name, teams[name], sources.get(name))
        for name in names
    ]
    joint = _joint(config, names) | _joint_of(frozen)
    everyone = {**players, **{learner.player: learner.policy for learner in learners}}
    for name, team in teams.items():
        team.players = {other: p for other, p in everyone.items() if other != name}
        team.joint = joint
    return Learners(learners, TeamPolicy(everyone, joint), frozen)


def _learner_config(config: RunConfig, player: str, sources: Mapping[str, Path]) -> RunConfig:
    """Return a learner's own configuration: that of the run, or what it had learned with.

    Where all tiers are tuned together, each keeps its network and its scale of rewards and takes
    the learning rate, the steps and the seed of the run.
    """
    s = config.settings
    if s.team.learn != "all":
        return config
    former = run_folder.read_config(sources[player])
    kept = former.settings.model_copy(
        update={
            "seed": s.seed,
            "timesteps": s.timesteps,
            "n_envs": s.n_envs,
            "team": former.settings.team,
        }
    )
    rate = {
        "learning_rate": config.hyperparameters.learning_rate,
        "learning_rate_final": config.hyperparameters.learning_rate_final,
    }
    tuned = former.hyperparameters.model_copy(update=rate)
    return replace(config, settings=kept, hyperparameters=tuned)


def _learner(
    config: RunConfig, player: str, others: TeamPolicy | None, source: Path | None
) -> Learner:
    rules = TeamPolicy(reference_rules()) if others is not None else None
    config = with_shaping_rule(with_offset_rule(config, player))
    config = calibrate(config, player, rules)
    s = config.settings
    env = training_env(config, player, others)
    model = build_model(
        s.algo,
        config.hyperparameters,
        env,
        seed=s.seed,
        device=s.device,
        standardize_rewards=s.reward.standardize,
    )
    if getattr(config.hyperparameters, "initial_order", "none") == "mean":
        initialize_orders(model, batch_of(env))
    orders = offsets_of(config, player)
    if isinstance(model, DCL) and orders is not None:
        model.rule = partial(reference_team, store=orders.rule)
    elif isinstance(model, DCL) and source is None:
        model.rule = partial(best_tuned, config.problem, config.parameters, config.measure)
    if source is not None:
        load_model(model, env, source / run_folder.best_of(source), frozen=False)
    return Learner(player, config, env, model, _policy(config, player, model, env))


def _policy(config: RunConfig, player: str, model: BaseAlgorithm, env: VecEnv) -> Policy:
    # in the supply chain every action is valid, and a player's rows are not the batch's worlds
    masks = ALGORITHMS[config.settings.algo].masks and not config.problem.totals
    policy: Policy = AgentPolicy(model, env, masks=masks)
    if config.problem.totals and layout_of(config, player) == "flat":
        actions = config.parameters.lanes()[0].store.num_choices
        policy = FlatJointPolicy(policy, (actions,) * config.parameters.num_stores)
    orders = offsets_of(config, player)
    return policy if orders is None else OffsetPolicy(policy, orders, player)


def load_agent(folder: Path, name: ModelFile) -> tuple[RunConfig, Policy]:
    """Rebuild a run's models from their configurations and load their tensors.

    Returns
    -------
    RunConfig, Policy
        The run's configuration, and its policy for all agents.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another run, or the run recommends a rule.
    """
    config = run_folder.read_config(folder)
    advice = read_recommendation(folder)
    if advice is not None and advice.kind == "rule":
        raise InputError(
            f"{folder}: recommends a rule, {advice.name}, and holds no agent; decide.py orders by "
            f"it, and its figures are in {folder / run_files.ADVICE}"
        )
    if not config.problem.totals:
        return config, _load(folder, name, config, "")
    sources = run_folder.players(folder)
    players: dict[str, Policy] = {**reference_rules(), **_load_players(config, sources, name)}
    if any(player.startswith("store_") for player in sources):
        players.pop("store")
    return config, TeamPolicy(players, _joint_of(sources))


def _load_players(
    config: RunConfig, sources: Mapping[str, Path], name: ModelFile = BEST
) -> dict[str, Policy]:
    """Return the trained models of players, which must see what the run's agents see."""
    loaded: dict[str, Policy] = {}
    for player, path in sources.items():
        own = run_folder.read_config(path)
        _check_same_view(config, own, player, path)
        own = replace(own, parameters=config.parameters)
        loaded[player] = _load(path, run_folder.model_of(path, name), own, player)
    return loaded


def _check_same_view(config: RunConfig, own: RunConfig, player: str, path: Path) -> None:
    ours, theirs = config.settings.observation.step, own.settings.observation.step
    seen = own.parameters.observation
    if config.parameters.observation != seen or ours != theirs:
        raise InputError(
            f"{path}: its model for {player} sees another observation than this run; add "
            f"--set parameters.observation={seen} --set observation.step={str(theirs).lower()}"
        )


def _load(folder: Path, name: ModelFile, config: RunConfig, player: str) -> Policy:
    s = config.settings
    batch = learning_batch(config, player, None, s.n_envs, observe_step=s.observation.step)
    env = reward_and_running(config, observe(config, BatchVecEnv(batch)))
    model = build_model(
        s.algo, config.hyperparameters, env, seed=s.seed, learns=False
    )  # on the CPU
    load_model(model, env, folder / name)
    refuse_non_finite(model)
    policy = _policy(config, player, model, env)
    if isinstance(policy, OffsetPolicy):
        policy.is_rule = follows_rule(model.policy)
    return policy


def _joint(config: RunConfig, learning: list[str]) -> frozenset[str]:
    joint = config.settings.team.policy == "joint" and "store" in learning
    return frozenset({"store"} if joint else ())


def _joint_of(sources: Mapping[str, Path]) -> frozenset[str]:
    path = sources.get("store")
    joint = path is not None and run_folder.read_config(path).settings.team.policy == "joint"
    return frozenset({"store"} if joint else ())


def player_config(learner: Learner) -> RunConfig:
    """Return a learner's configuration as that of a run with this one player."""
    if not learner.player:
        return learner.config
    team = learner.config.settings.team.model_copy(update={"learn": tier_of(learner.player)})
    settings = learner.config.settings.model_copy(update={"team": team})
    return replace(learner.config, settings=settings)
