"""The problems by name: what the rooms above ask of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import FrozenModel
from common.random_streams import Split, random_stream
from envs.batch import Batch, Trace
from envs.cash import batch as cash
from envs.cash import trace as cash_trace
from envs.cash.parameters import CashParameters
from envs.supply_chain import batch as supply_chain
from envs.supply_chain import trace as supply_chain_trace
from envs.supply_chain.parameters import SupplyChainParameters


@dataclass(frozen=True)
class Problem:
    """One inventory problem.

    Attributes
    ----------
    name : str
        As in ``--problem``.
    parameters : type
        Its validated parameters.
    make_batch : callable
        ``make_batch(parameters, num_worlds, rng=, split=, observe_step=, expected_reward=)``.
    draw : callable
        ``draw(parameters, split, rng, episodes)``, a trace of so many episodes.
    observation_scale : tuple of float
        Divisors of the fixed normalisation, for the observation without the step; none where
        observations are of moderate size as they are.
    covariates : callable
        ``covariates(parameters, trace)``, functions of the trace with a mean of exactly zero,
        shape (episodes, columns), for control variates.
    """

    name: str
    parameters: type[FrozenModel]
    make_batch: Callable[..., Batch]
    observation_scale: tuple[float, ...]
    draw: Callable[[Any, Split, np.random.Generator, int], Trace]
    covariates: Callable[[Any, Trace], NDArray[np.float64]]

    def traces(self, parameters: FrozenModel, split: Split, seed: int, episodes: int) -> Trace:
        """Return the `episodes` traces that `seed` gives for `split`, the same at every call."""
        return self.draw(parameters, split, random_stream(seed, split), episodes)


def _draw_cash(
    parameters: CashParameters, split: Split, rng: np.random.Generator, episodes: int
) -> Trace:
    return cash_trace.draw_trace(parameters, parameters.demand_law(split), rng, episodes)


def _draw_supply_chain(
    parameters: SupplyChainParameters, split: Split, rng: np.random.Generator, episodes: int
) -> Trace:
    return supply_chain_trace.draw_trace(parameters, rng, episodes, split)


PROBLEMS: dict[str, Problem] = {
    "cash": Problem(
        name="cash",
        parameters=CashParameters,
        make_batch=cash.CashBatch,
        observation_scale=(10.0, 10.0, 10.0, 10.0, 20.0, 2000.0),
        draw=_draw_cash,
        covariates=cash_trace.trace_covariates,
    ),
    "stores": Problem(
        name="stores",
        parameters=SupplyChainParameters,
        make_batch=supply_chain.SupplyChainBatch,
        observation_scale=(),
        draw=_draw_supply_chain,
        covariates=supply_chain_trace.trace_covariates,
    ),
}
