"""The optimum of the cash problem by dynamic programming.

With ``H_k(raw, product, prices)`` the value, right after the action of step k, of the sale of that
step and of all that follows (Powell 2011, Approximate Dynamic Programming, section 4.6,
post-decision states),

``V_k(raw, product, prices) = max over actions a of A(a) + H_k(act(raw, product, a), prices)``
``H_k(raw, product, prices) = E[market reward] + E[V_(k+1)(raw, left, prices after the move)]``

where A is the part of the reward that the action itself earns. Actions and rewards are computed by
the functions of `envs.cash.dynamics`.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from baselines.policy import Actions, Rule
from baselines.rollout import Observer, run_episodes
from baselines.solvers.cash.grid import CashGrid, Floats, Resolution, make_grid, start_law
from baselines.solvers.cash.kernels import backward, choose_actions
from baselines.solvers.reference import Reference
from common.errors import InputError
from demand.laws import NormalDemand
from envs.batch import Batch, Outcome
from envs.cash.batch import CashBatch
from envs.cash.dynamics import MIN_PRICE
from envs.cash.parameters import CashParameters
from envs.cash.trace import draw_trace, trace_covariates

MAX_BYTES = 900_000_000
"""Memory of the largest problem that is solved."""
MAX_WORK = 5e10
"""Multiplications for the largest problem that is solved; they take well under a minute."""
CHECKED_EPISODES = 2000
CHECKED_STEPS = 2_000_000
"""Episodes of the simulation that checks the policy; fewer if they are long."""
_NO_STOP = -np.inf


@dataclass(frozen=True)
class CashOptimum:
    """The solved problem.

    Attributes
    ----------
    parameters : CashParameters
        The problem that was solved.
    reference : Reference
        Expected return of an episode under the best policy.
    grid : CashGrid
        The grid of the values.
    values : ndarray
        H, shape (T, raw, product, product price, raw price), float32, less a constant for every
        step: rewards independent of the action would else use up the digits of float32.
    """

    parameters: CashParameters
    reference: Reference
    grid: CashGrid
    values: NDArray[np.float32]

    def policy(self) -> "OptimalCashPolicy":
        """Return the best policy."""
        return OptimalCashPolicy(self.parameters, self.grid, self.values)


class OptimalCashPolicy(Rule):
    """Take the action with the best immediate reward plus interpolated value of what follows.

    Parameters
    ----------
    parameters : CashParameters
        Parameters of the episodes to act in; only `initial_cash` may differ.
    grid, values
        As in `CashOptimum`.

    Attributes
    ----------
    refused : ndarray
        Worlds of the bound batch in which a lack of cash has ever ruled out the best action.
    reached : ndarray
        Largest raw and product stock right after an action, since `bind`.
    """

    _batch: CashBatch

    def __init__(
        self, parameters: CashParameters, grid: CashGrid, values: NDArray[np.float32]
    ) -> None:
        self._parameters, self._grid, self._values = parameters, grid, values
        self._lots = np.stack(parameters.lots())

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on.

        Raises
        ------
        InputError
            If the batch runs another problem than the one solved.
        """
        if not isinstance(batch, CashBatch):
            raise InputError(
                f"the optimum of the cash problem cannot act on {type(batch).__name__}"
            )
        mine, its = self._parameters, batch.parameters
        for name in CashParameters.model_fields:
            if name != "initial_cash" and getattr(mine, name) != getattr(its, name):
                raise InputError(
                    f"the optimum was solved for {name} = {getattr(mine, name)!r}, the batch has "
                    f"{getattr(its, name)!r}; solve it for these parameters"
                )
        super().bind(batch)
        self.refused = np.zeros(batch.num_worlds, np.bool_)
        self.reached = np.zeros(2)

    def actions(self) -> Actions:
        """Return the best valid action of every world."""
        actions = np.zeros(self._batch.num_worlds, np.int64)
        grid = self._grid
        choose_actions(
            self._parameters.constants(),
            self._batch.state,
            self._lots,
            self._values,
            grid.raw_unit,
            grid.product_unit,
            grid.product_price,
            grid.raw_price,
            actions,
            self.refused,
            self.reached,
        )
        return actions


def solve_cash(
    parameters: CashParameters,
    *,
    resolution: Resolution | None = None,
    caps: tuple[float, float] | None = None,
    checked_episodes: int = CHECKED_EPISODES,
) -> CashOptimum:
    """Solve the cash problem for its normal demand law.

    The cash constraint and bankruptcy are relaxed, and the stocks are capped. Both are then checked
    by simulation of the policy found: if it never lacks cash and never comes within a lot of a cap,
    it is also the best policy with the constraint.

    Parameters
    ----------
    parameters : CashParameters
        The problem.
    resolution : Resolution, optional
        Resolution of the grids; by default `Resolution()`, coarser if that would be too large.
    caps : tuple of float, optional
        Least caps of raw and product [units]; by default as small as the check allows.
    checked_episodes : int
        Number of simulated episodes of the check, fewer if they are over 1,000 steps long.

    Raises
    ------
    InputError
        If demand comes from a file, or the grid would be too large.
    """
    p = parameters
    if p.demand_data is not None:
        raise InputError(
            "the optimum needs the normal law of demand; for demand_data use the hindsight bound"
        )
    wanted = resolution if resolution is not None else Resolution()
    room = _search_caps(p, wanted.coarse(), min(200, checked_episodes))
    if caps is not None:
        room = max(room[0], caps[0]), max(room[1], caps[1])
    while True:
        grid = _affordable_grid(p, wanted, room, may_coarsen=resolution is None)
        solved = _solve(p, grid)
        check = _simulate(solved, checked_episodes)
        grown = _grown_caps(p, grid.caps, check.reached)
        if grown == grid.caps:
            return replace(solved, reference=_judge(solved, check))
        room = grown


def _search_caps(
    parameters: CashParameters, resolution: Resolution, episodes: int
) -> tuple[float, float]:
    """Return caps at least a lot and a half above the stocks of a coarse grid's policy."""
    buy, make = max(parameters.buy_lots), max(parameters.convert_lots)
    caps = float(max(buy, parameters.raw_per_product * make) + buy), 2.0 * make
    while True:
        grid = _affordable_grid(parameters, resolution, caps)
        reached = _simulate(_solve(parameters, grid), episodes).reached
        grown = _grown_caps(parameters, grid.caps, reached)
        if grown == grid.caps:
            return min(reached[0] + 1.5 * buy, grown[0]), min(reached[1] + 1.5 * make, grown[1])
        caps = grown


def _grown_caps(
    parameters: CashParameters, caps: tuple[float, float], reached: Floats
) -> tuple[float, float]:
    """Return `caps`, doubled if `reached` comes within one lot of them."""
    grown = list(caps)
    for i, lots in enumerate((parameters.buy_lots, parameters.convert_lots)):
        limit = parameters.max_steps * max(lots)  # more cannot be had
        if reached[i] + max(lots) > caps[i] and caps[i] < limit:
            grown[i] = min(2.0 * caps[i], limit)
    return grown[0], grown[1]


def _affordable_grid(
    parameters: CashParameters,
    resolution: Resolution,
    caps: tuple[float, float],
    *,
    may_coarsen: bool = False,
) -> CashGrid:
    """Return the finest allowed grid within the limits on memory and time."""
    steps, cause = parameters.max_steps, ""
    for tried in resolution.coarser() if may_coarsen else [resolution]:
        grid = make_grid(parameters, tried, caps)
        size = math.prod(grid.shape)
        memory = (4 * steps + 32) * size  # stored values, and working space
        terms = np.count_nonzero(grid.demand_weights) + parameters.num_actions + 6
        if memory <= MAX_BYTES and steps * size * terms <= MAX_WORK:
            return grid
        cause = f"{steps} steps of {' x '.join(map(str, grid.shape))} values"
    raise InputError(
        f"the exact optimum is too large to solve: {cause}; reduce max_steps, the lots, the "
        "resolution or price_std"
    )


def _solve(parameters: CashParameters, grid: CashGrid, stop: float = _NO_STOP) -> CashOptimum:
    """Solve on one grid without the cash constraint; `stop` is the value of an early end."""
    p = parameters
    values = np.empty((p.max_steps, *grid.shape), np.float32)
    start = backward(
        p.constants(),
        np.stack(p.lots()),
        grid.raw_unit,
        grid.product_unit,
        grid.product_price,
        grid.raw_price,
        grid.product_price_law,
        grid.raw_price_law,
        grid.demand_weights,
        grid.empty_weights,
        stop,
        values,
    )
    std = p.price_std
    expected = start_law(grid.product_price, p.product_price_mean, std) @ start[0, 0]
    value = float(expected @ start_law(grid.raw_price, p.raw_price_mean, std))
    return CashOptimum(p, Reference("upper_bound", value, "not checked"), grid, values)


def _stop_value(parameters: CashParameters) -> float:
    """Return the value of an early end by bankruptcy, or -inf if its probability is 0.

    Cash never falls below 0, since no purchase exceeds it. It can reach exactly 0 only if all
    purchases were made at a price of positive probability: the mean of constant prices, or the
    floor. An early end saves all later costs, so that relaxing bankruptcy might give too low a
    value.
    """
    p = parameters
    spread = p.price_std * math.sqrt(p.max_steps + 1.0)
    price = p.raw_price_mean if p.price_std == 0.0 else MIN_PRICE
    met = p.price_std == 0.0 or p.raw_price_mean - 6.0 * spread < MIN_PRICE
    if met and p.initial_cash <= p.max_steps * max(p.buy_lots) * price:
        return 0.0 if p.objective == "profit" else -p.bankruptcy_penalty
    return _NO_STOP


class _Check(NamedTuple):
    """The findings of a simulation of the policy.

    Attributes
    ----------
    hindered : ndarray
        Whether cash ruled out a purchase or ran out, shape (episodes,).
    reached : ndarray
        Largest raw and product stock right after an action.
    mean, error : float
        Return of an episode and its standard error, with control variates.
    """

    hindered: NDArray[np.bool_]
    reached: Floats
    mean: float
    error: float


class _Bankruptcies(Observer):
    """Records which worlds ever ran out of money in their first episode."""

    def start(self, batch: Batch) -> None:
        """Begin with none."""
        self.bankrupt = np.zeros(batch.num_worlds, np.bool_)

    def after_step(self, outcome: Outcome, running: NDArray[np.bool_]) -> None:
        """Add those of a step."""
        self.bankrupt |= outcome.terminated & running


def _simulate(solved: CashOptimum, episodes: int) -> _Check:
    """Simulate the policy of a solved problem."""
    p, policy = solved.parameters, solved.policy()
    episodes = min(episodes, max(20, CHECKED_STEPS // p.max_steps))
    rng = np.random.default_rng(20_110_829)
    batch = CashBatch(p, episodes, rng=rng)
    trace = draw_trace(p, NormalDemand(p.demand_mean, p.demand_std), rng, episodes)
    policy.bind(batch)
    seen = _Bankruptcies()
    totals = run_episodes(batch, policy, trace, observer=seen)
    design = np.column_stack([np.ones(episodes), trace_covariates(p, trace)])
    returns = totals["return"]
    fit = np.linalg.lstsq(design, returns, rcond=None)[0]
    error = float(np.std(returns - design @ fit) / math.sqrt(episodes))
    return _Check(policy.refused | seen.bankrupt, policy.reached, float(fit[0]), error)


def _judge(solved: CashOptimum, check: _Check) -> Reference:
    """Return the reference with its kind and its note."""
    grid, value, hits = solved.grid, solved.reference.value, int(check.hindered.sum())
    (raw, product), stop = grid.caps, _stop_value(solved.parameters)
    note = (
        f"Dynamic programming, linear between nodes: raw to {raw:g} by {grid.raw_unit:g}, product "
        f"to {product:g} by {grid.product_unit:g}, {grid.product_price.size} product prices, "
        f"{grid.raw_price.size} raw price{'' if grid.raw_price.size == 1 else 's'}; "
    )
    if stop > _NO_STOP:  # allow the early end at any time: a bound, and exact where it is not used
        bound = _solve(solved.parameters, grid, stop).reference.value
        if bound > value + 1e-6 * max(1.0, abs(value)):
            note += "cash is ignored, and going bankrupt on purpose is always possible."
            return Reference("upper_bound", bound, note)
    if hits:
        note += f"cash is ignored, it would bind in {hits} of {check.hindered.size} episodes."
        return Reference("upper_bound", value, note)
    note += (
        f"its policy lacked cash in none of {check.hindered.size} simulated episodes and earned "
        f"{check.mean:.6g} +- {check.error:.2g} in them."
    )
    return Reference("optimum", value, note)
