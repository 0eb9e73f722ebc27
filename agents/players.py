"""Whom the models of a run play, and the worlds that each learns in."""

from typing import Any

from agents.algorithms import ALGORITHMS
from agents.config import RunConfig
from baselines.multi_agent import TeamPolicy
from baselines.rules.reference import reference_rules
from envs.batch import Batch
from wrappers.single_agent import ControlledAgents, Layout


def learning_players(config: RunConfig) -> list[str]:
    """Return whom the run's models play."""
    if not config.problem.totals:
        return [""]
    team = config.settings.team
    stores = ["store"]
    if team.policy == "independent":
        stores = [f"store_{i + 1}" for i in range(config.parameters.num_stores)]
    tiers = {"store": stores, "all": [*stores, "warehouse", "supplier"]}
    return tiers.get(team.learn, [team.learn])


def learning_batch(
    config: RunConfig,
    player: str,
    others: TeamPolicy | None,
    rows: int,
    parameters: Any = None,
    **options: Any,
) -> Batch:
    """Return the worlds that a player learns in, about `rows` rows of them.

    Where the stores share a policy, each is a row; the number of worlds is chosen accordingly.
    """
    parameters = config.parameters if parameters is None else parameters
    if not config.problem.totals:
        return config.problem.make_batch(parameters, rows, **options)
    layout = layout_of(config, player)
    per_world = parameters.num_stores if player == "store" and layout == "shared" else 1
    skus = 1 if parameters.demand_data else len(parameters.sku)  # of a file they are drawn
    worlds = max(1, round(rows / per_world / skus)) * skus
    chain: Any = config.problem.make_batch(parameters, worlds, **options)
    return ControlledAgents(chain, player, others or TeamPolicy(reference_rules()), layout)


def layout_of(config: RunConfig, player: str) -> Layout:
    """Return how the agents of a player become rows of a batch."""
    if player != "store" or config.settings.team.policy != "joint":
        return "shared"
    return "flat" if ALGORITHMS[config.settings.algo].off_policy else "joint"
