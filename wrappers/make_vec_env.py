"""A problem of this project as a `VecEnv`, in one call."""

from typing import Any, get_args

from baselines.multi_agent import TeamPolicy
from baselines.rules.reference import reference_rules
from common.errors import InputError, choose, validated
from common.random_streams import Split
from envs.problems import PROBLEMS
from wrappers.single_agent import ControlledAgents, Layout
from wrappers.vec_env import BatchVecEnv

PLAYERS = "store", "warehouse", "supplier"


def make_vec_env(
    problem: str = "cash",
    num_worlds: int = 32,
    *,
    learn: str | None = None,
    layout: Layout = "shared",
    split: Split = "training",
    observe_step: bool = False,
    expected_reward: bool = False,
    **parameters: Any,
) -> BatchVecEnv:
    """Return worlds of a problem that are stepped by one call, for SB3's algorithms.

    Parameters
    ----------
    problem : str
        ``"cash"``, ``"stores"`` or another name in `envs.problems.PROBLEMS`.
    num_worlds : int
        Number of worlds; where stores share a policy, each store of each world is an environment
        of its own to SB3.
    learn : str, optional
        In the supply chain, the agents that learn: ``"store"`` (all stores, the default),
        ``"store_1"`` ..., ``"warehouse"`` or ``"supplier"``. All others follow the reference rules.
    layout : {"shared", "joint", "flat"}
        How stores become rows (`wrappers.single_agent`).
    split : str
        Split whose random stream seeds open: ``"training"``, ``"validation"`` or ``"evaluation"``.
    observe_step : bool
        Append the share of the episode that has passed to the observation; the learner then does
        not treat its end as a time limit.
    expected_reward : bool
        Return rewards expected over the day's demand, which are far less noisy. For training
        only.
    **parameters
        Parameters of the problem, such as ``max_steps=100`` or ``stores=3, observation="full"``.

    Raises
    ------
    InputError
        If a name is unknown, a parameter out of range, or ``store.action`` is ``offset``.

    Examples
    --------
    >>> make_vec_env("cash", 4).num_envs
    4
    >>> make_vec_env("stores", 4, stores=3, observation="full").num_envs
    12
    """
    known = PROBLEMS[choose("problem", problem, PROBLEMS)]
    if num_worlds < 1:
        raise InputError(f"num_worlds = {num_worlds}: must be at least 1")
    values = validated(known.parameters, parameters)
    batch: Any = known.make_batch(
        values, num_worlds, split=split, observe_step=observe_step, expected_reward=expected_reward
    )
    if known.totals:
        batch.parameters.lanes()[0].store.check_quantities()
        player = learn or "store"
        single = [f"store_{i + 1}" for i in range(batch.num_stores)]
        choose("learn", player, [*PLAYERS, *single])
        choose("layout", layout, get_args(Layout))
        batch = ControlledAgents(batch, player, TeamPolicy(reference_rules()), layout)
    elif learn is not None:
        raise InputError(f"learn = {learn!r}: has no meaning for {problem}")
    return BatchVecEnv(batch, split=split, bootstrap_time_limit=not observe_step)
