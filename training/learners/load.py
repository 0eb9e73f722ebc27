"""Trained models as policies, and who plays beside them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from agents import run_files, run_folder
from agents.algorithms import ALGORITHMS
from agents.config import RunConfig
from agents.dcl.offset_fit import follows_rule
from agents.models import build_model
from agents.players import (
    layout_of,
    learning_batch,
    offsets_of,
    team_rules,
)
from agents.run_files import BEST, ModelFile
from agents.sb3_policy import AgentPolicy, observe, refuse_non_finite, reward_and_running
from agents.tuned_file import recommended_rule
from agents.weights import load_model
from baselines.multi_agent import TeamPolicy
from baselines.policy import Policy
from baselines.rules.offset import OffsetPolicy
from common.errors import InputError
from wrappers.single_agent import FlatJointPolicy
from wrappers.vec_env import BatchVecEnv


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
    advice = recommended_rule(folder)
    if advice is not None:
        raise InputError(
            f"{folder}: recommends a rule, {advice.name}, not an agent; decide.py and "
            f"serve.py order by it, evaluate.py plays it with --replay, and its figures are in "
            f"{folder / run_files.ADVICE}"
        )
    config = run_folder.read_config(folder)
    if not config.problem.totals:
        return config, _load(folder, name, config, "")
    sources = run_folder.players(folder)
    players: dict[str, Policy] = {**team_rules(config), **load_players(config, sources, name)}
    if any(player.startswith("store_") for player in sources):
        players.pop("store")
    return config, TeamPolicy(players, joint_of(sources))


def load_players(
    config: RunConfig, sources: Mapping[str, Path], name: ModelFile = BEST
) -> dict[str, Policy]:
    """Return the trained models of players, which must see what the run's agents see."""
    loaded: dict[str, Policy] = {}
    for player, path in sources.items():
        own = replace(seeing_alike(config, player, path), parameters=config.parameters)
        loaded[player] = _load(path, run_folder.model_of(path, name), own, player)
    return loaded


def seeing_alike(config: RunConfig, player: str, path: Path) -> RunConfig:
    """Return the configuration of a trained model that a run can go on with, or play.

    Raises
    ------
    InputError
        If it is of another problem, or sees another observation.
    """
    own = run_folder.read_config(path)
    if own.settings.problem != config.settings.problem:
        raise InputError(
            f"{path}: its model is of the {own.settings.problem} problem, this run of the "
            f"{config.settings.problem} problem; name another run"
        )
    ours, theirs = _view(config), _view(own)
    if ours != theirs:
        remedy = " ".join(f"--set {name}={value}" for name, value in theirs.items())
        whose = f"its model for {player}" if player else "its model"
        raise InputError(f"{path}: {whose} sees another observation than this run; add {remedy}")
    return own


def _view(config: RunConfig) -> dict[str, str]:
    seen = getattr(config.parameters, "observation", None)
    kind = {} if seen is None else {"parameters.observation": seen}
    return {**kind, "observation.step": str(config.settings.observation.step).lower()}


def _load(folder: Path, name: ModelFile, config: RunConfig, player: str) -> Policy:
    s = config.settings
    batch = learning_batch(config, player, None, s.n_envs, observe_step=s.observation.step)
    env = reward_and_running(config, observe(config, BatchVecEnv(batch)))
    model = build_model(
        s.algo, config.hyperparameters, env, seed=s.seed, learns=False
    )  # on the CPU
    load_model(model, env, folder / name)
    refuse_non_finite(model)
    policy = policy_of(config, player, model, env)
    if isinstance(policy, OffsetPolicy):
        policy.is_rule = follows_rule(model.policy)
    return policy


def policy_of(config: RunConfig, player: str, model: BaseAlgorithm, env: VecEnv) -> Policy:
    """Return a model as the policy of a player."""
    # in the supply chain every action is valid, and a player's rows are not the batch's worlds
    masks = ALGORITHMS[config.settings.algo].masks and not config.problem.totals
    policy: Policy = AgentPolicy(model, env, masks=masks)
    if config.problem.totals and layout_of(config, player) == "flat":
        actions = config.parameters.lanes()[0].store.num_choices
        policy = FlatJointPolicy(policy, (actions,) * config.parameters.num_stores)
    orders = offsets_of(config, player)
    return policy if orders is None else OffsetPolicy(policy, orders, player)


def joint_of(sources: Mapping[str, Path]) -> frozenset[str]:
    """Return the tiers among trained players that one model decides for at once."""
    path = sources.get("store")
    joint = path is not None and run_folder.read_config(path).settings.team.policy == "joint"
    return frozenset({"store"} if joint else ())
