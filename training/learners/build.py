"""The models that learn, each with what it learns from and who plays beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from agents import run_folder
from agents.algorithms import ALGORITHMS
from agents.config import RunConfig
from agents.dcl.algorithm import DCL
from agents.dcl.starting_rule import best_starting_rule
from agents.models import build_model, initialize_orders
from agents.players import (
    learning_batch,
    learning_players,
    offsets_of,
    shaping_rule,
    team_rules,
    with_offset_rule,
    with_shaping_rule,
)
from agents.sb3_policy import observe, reward_and_running
from agents.weights import load_model
from baselines.multi_agent import TeamPolicy, tier_of
from baselines.policy import Policy
from baselines.rules.reference import reference_team
from common.errors import InputError
from common.random_streams import random_stream
from training.learners.calibration import calibrate
from training.learners.load import joint_of, load_players, policy_of, seeing_alike
from wrappers.normalize import FixedRewardScale
from wrappers.shaping import RuleShaping
from wrappers.vec_env import BatchVecEnv, batch_of


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
    usual = team_rules(config)
    rules = {k: v for k, v in usual.items() if k not in names}
    if not any(name.startswith("store") for name in {*names, *frozen}):
        rules["store"] = usual["store"]
    players: dict[str, Policy] = {**rules, **load_players(config, frozen)}
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
    joint = _joint(config, names) | joint_of(frozen)
    everyone = {**players, **{learner.player: learner.policy for learner in learners}}
    for name, team in teams.items():
        team.players = {other: p for other, p in everyone.items() if other != name}
        team.joint = joint
    return Learners(learners, TeamPolicy(everyone, joint), frozen)


def _learner_config(config: RunConfig, player: str, sources: Mapping[str, Path]) -> RunConfig:
    """Return a learner's own configuration: that of the run, or what it had learned with.

    Where all tiers are tuned together, each keeps its algorithm, its network, what it sees, its
    scale of rewards and all hyperparameters but the learning rate; worlds, steps, the seed and
    whose return is learned for are those of the run.
    """
    s = config.settings
    if s.team.learn != "all":
        return config
    former = seeing_alike(config, player, sources[player])
    old = former.settings
    if player == "store" and old.team.policy != s.team.policy:
        raise InputError(
            f"{sources[player]}: its stores' model is {old.team.policy}, this run's is "
            f"{s.team.policy}; add --policy {old.team.policy}"
        )
    own = {
        name: getattr(old, name) for name in ("algo", "observation", "reward", "offset", "asked")
    }
    team = old.team.model_copy(update={"goal": s.team.goal})
    rate = {
        "learning_rate": config.hyperparameters.learning_rate,
        "learning_rate_final": config.hyperparameters.learning_rate_final,
    }
    return replace(
        config,
        settings=s.model_copy(update={**own, "team": team}),
        hyperparameters=former.hyperparameters.model_copy(update=rate),
    )


def _learner(
    config: RunConfig, player: str, others: TeamPolicy | None, source: Path | None
) -> Learner:
    rules = TeamPolicy(team_rules(config)) if others is not None else None
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
        model.rule = partial(best_starting_rule, config.problem, config.parameters, config.measure)
    if source is not None:
        _go_on(model, env, config, player, source)
    return Learner(player, config, env, model, policy_of(config, player, model, env))


def _go_on(model: BaseAlgorithm, env: VecEnv, config: RunConfig, player: str, path: Path) -> None:
    """Load what another run has learned into a model that goes on with it.

    Raises
    ------
    InputError
        If its network is another one, or was fed otherwise, naming the first setting that says so.
    """
    own = seeing_alike(config, player, path)
    ours, theirs = _network(config, player), _network(own, player)
    if _kind(config) == _kind(own):
        del ours["algo"]
    apart = next((name for name in ours if name in theirs and ours[name] != theirs[name]), None)
    if apart is not None:
        raise InputError(
            f"{path}: its model has {apart} = {theirs[apart]}, this run {ours[apart]}; give both "
            "the same, or leave out --from"
        )
    load_model(model, env, path / run_folder.best_of(path), frozen=False)


def _kind(config: RunConfig) -> str:
    """Return what networks an algorithm has: all actors are alike, values are its own."""
    algorithm = ALGORITHMS[config.settings.algo]
    return config.settings.algo if algorithm.off_policy else algorithm.policy


def _network(config: RunConfig, player: str) -> dict[str, Any]:
    """Return what a model's weights depend on, besides the problem and what it sees."""
    s = config.settings
    named = {"net_arch", "activation", "n_quantiles", "lstm_hidden_size"}
    return {
        "algo": s.algo,
        **({"team.policy": s.team.policy} if player == "store" else {}),
        **config.hyperparameters.model_dump(include=named),
        "observation.normalize": s.observation.normalize,
        "observation.scale": s.observation.scale,
    }


def _joint(config: RunConfig, learning: list[str]) -> frozenset[str]:
    joint = config.settings.team.policy == "joint" and "store" in learning
    return frozenset({"store"} if joint else ())


def player_config(learner: Learner) -> RunConfig:
    """Return a learner's configuration as that of a run with this one player."""
    if not learner.player:
        return learner.config
    team = learner.config.settings.team.model_copy(update={"learn": tier_of(learner.player)})
    settings = learner.config.settings.model_copy(update={"team": team})
    return replace(learner.config, settings=settings)
