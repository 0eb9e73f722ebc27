"""The players of a run's models, and the worlds that each learns in."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from agents.algorithms import ALGORITHMS
from agents.config import RunConfig
from agents.dcl.starting_rule import best_starting_rule
from baselines.multi_agent import TeamPolicy
from baselines.policy import Policy
from baselines.rule_choice import best_rule, named_rule, tuned_values
from baselines.rules.offset import OffsetOrders
from baselines.rules.reference import reference_rules
from baselines.rules.stock_rule import StoreRule
from common.errors import InputError
from envs.batch import Batch
from envs.problems import PROBLEMS
from envs.supply_chain.metrics import TOTALS
from wrappers.single_agent import ControlledAgents, Layout


def learning_players(config: RunConfig) -> list[str]:
    """Return the players of the run's models."""
    if not config.problem.totals:
        return [""]
    team = config.settings.team
    stores = ["store"]
    if team.policy == "independent":
        stores = [f"store_{i + 1}" for i in range(config.parameters.num_stores)]
    tiers = {"store": stores, "all": [*stores, "warehouse", "supplier"]}
    return tiers.get(team.learn, [team.learn])


def team_rules(config: RunConfig) -> dict[str, Policy]:
    """Return the rules, by tier, that agents without a model follow."""
    if config.settings.team.goal == "own":
        return reference_rules()
    return dict(_best_for_all(config.settings.problem, config.parameters).players)


@lru_cache(maxsize=4)
def _best_for_all(problem: str, parameters: Any) -> TeamPolicy:
    best = best_starting_rule(PROBLEMS[problem], parameters, TOTALS["all"])
    assert isinstance(best, TeamPolicy)  # noqa: S101  (of the supply chain all rules are teams)
    return best


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
    team = others or TeamPolicy(reference_rules())
    system = config.settings.team.goal == "system"
    return ControlledAgents(chain, player, team, layout, offsets_of(config, player), system)


def offsets_of(config: RunConfig, player: str) -> OffsetOrders | None:
    """Return the converter of a player's offsets to orders, None if it does not choose offsets.

    Raises
    ------
    InputError
        If the run's rule is unknown, or its parameters are not ones that tuning can yield.
    """
    store = config.parameters.lanes()[0].store if config.problem.totals else None
    if store is None or store.action != "offset" or not player.startswith("store"):
        return None
    chosen = with_offset_rule(config, player).settings.offset
    rule = named_rule(config.problem, config.parameters, chosen.rule, chosen.values)
    if chosen.in_units:
        if player != "store":
            raise InputError("offset.in_units = true: needs one policy for all stores")
        rule = rule.in_any_quantity(whole=config.parameters.history.whole_units)
    return OffsetOrders(rule, store.offsets)


def with_offset_rule(config: RunConfig, player: str) -> RunConfig:
    """Return a run with the rule of its offsets in full, as written to its folder."""
    store = config.parameters.lanes()[0].store if config.problem.totals else None
    if store is None or store.action != "offset" or not player.startswith("store"):
        return config
    asked = config.settings.offset
    if asked.values:
        return config
    name = None if asked.rule == "auto" else asked.rule
    found = best_rule(config.problem, config.parameters, name)
    settings = config.settings.model_copy(
        update={"offset": asked.model_copy(update={"rule": found.name, "values": found.values})}
    )
    return replace(config, settings=settings)


SHAPING = "reward.shaping"


def shaping_rule(config: RunConfig) -> StoreRule | None:
    """Return the rule whose advice shapes the rewards of training, None if there is none.

    Raises
    ------
    InputError
        If the rule is unknown, or its parameters are not ones that tuning can yield.
    """
    asked = config.settings.reward.shaping
    if asked.rule == "none":
        return None
    return named_rule(config.problem, config.parameters, asked.rule, asked.values, SHAPING)


def with_shaping_rule(config: RunConfig) -> RunConfig:
    """Return a run with the parameters of the rule that advises it, tuned if none are given."""
    asked = config.settings.reward.shaping
    if asked.rule == "none" or asked.values:
        return config
    found = tuned_values(config.problem, config.parameters, asked.rule, SHAPING)
    shaping = asked.model_copy(update={"values": found})
    reward = config.settings.reward.model_copy(update={"shaping": shaping})
    return replace(config, settings=config.settings.model_copy(update={"reward": reward}))


def layout_of(config: RunConfig, player: str) -> Layout:
    """Return how the agents of a player become rows of a batch."""
    if player != "store" or config.settings.team.policy != "joint":
        return "shared"
    return "flat" if ALGORITHMS[config.settings.algo].off_policy else "joint"
