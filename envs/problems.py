"""The problems by name, and what the packages above need to know of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium.envs.registration import registry
from numpy.typing import NDArray

from common.errors import FrozenModel, InputError, choose
from common.random_streams import Split, random_stream
from envs.batch import Batch, Trace
from envs.cash import batch as cash
from envs.cash import trace as cash_trace
from envs.cash.kernels import REPORT_NAMES
from envs.cash.parameters import CashParameters
from envs.cash.price_history import HistoricalDemand
from envs.cash.render import cash_text
from envs.supply_chain import batch as supply_chain
from envs.supply_chain import constants
from envs.supply_chain import trace as supply_chain_trace
from envs.supply_chain.metrics import TOTALS
from envs.supply_chain.parameters import SupplyChainParameters
from envs.supply_chain.render import chain_text
from envs.supply_chain.sites import SCENARIOS


@dataclass(frozen=True)
class FileOption:
    """A command-line option that names a file of days to play.

    Attributes
    ----------
    name : str
        As in ``--name FILE``.
    recipe : str
        The recipe that it selects.
    defaults : mapping
        What it sets in ``parameters.demand_data``, including ``augment`` if days can be resampled.
    """

    name: str
    recipe: str
    defaults: Mapping[str, str]


def no_covariates(parameters: Any, trace: Trace) -> NDArray[np.float64]:
    """Return no control variates, shape (episodes, 0)."""
    del parameters
    return np.empty((len(next(iter(trace.values()))), 0))


def plain_text(batch: Batch, world: int) -> str:
    """Return what an agent sees of a world, for problems that have no text of their own."""
    seen = ", ".join(f"{value:.4g}" for value in batch.observation()[world])
    return f"Observation: {seen}"


def plain_reports(batch: Batch) -> dict[str, dict[str, NDArray[Any]]]:
    """Return the sums of the episode so far, for problems that have no reports of their own."""
    return {"agent": {name: values.copy() for name, values in batch.episode_totals().items()}}


@dataclass(frozen=True)
class Problem:
    """One inventory problem.

    Attributes
    ----------
    name : str
        As in ``--problem``.
    parameters : type
        Class of its validated parameters, with `law_is_known`, `max_steps` and
        ``check_stage(other)``.
    make_batch : callable
        ``make_batch(parameters, num_worlds, rng=, split=, observe_step=, expected_reward=)``.
    draw : callable
        ``draw(parameters, split, rng, episodes)``, a trace of that many episodes.
    observation_scale : tuple of float
        Divisors of the fixed normalisation, for the observation without the step; empty where
        observations are of moderate size already.
    covariates : callable
        ``covariates(parameters, trace)``, functions of the trace with a mean of exactly zero,
        shape (episodes, columns), for control variates.
    covariate_names : tuple of str
        What the columns mean, in order.
    totals : mapping
        For a problem with several tiers of agents: by tier, and for ``all``, the name of the
        episode total that it maximises. Empty where one agent decides.
    scenarios : tuple of str
        Names that ``parameters.in_scenario`` takes.
    options : tuple of str
        Command-line options that apply to this problem alone.
    file_option : FileOption or None
        The option that names a file of days, if there is one.
    recipes : str
        Which file in ``configs/`` holds its recipes, if not the one named after the problem.
    text : callable
        ``text(batch, world)``, what ``--render`` prints about the last step of a world.
    reports : callable
        ``reports(batch)``, the figures of the last step, by agent and name, each of shape
        (worlds,).
    shared_bytes : callable
        ``shared_bytes(parameters, expected_reward)``, the bytes by purpose that a batch needs
        besides the state of its worlds.
    """

    name: str
    parameters: type[FrozenModel]
    make_batch: Callable[..., Batch]
    draw: Callable[[Any, Split, np.random.Generator, int], Trace]
    observation_scale: tuple[float, ...] = ()
    covariates: Callable[[Any, Trace], NDArray[np.float64]] = no_covariates
    covariate_names: tuple[str, ...] = ()
    totals: Mapping[str, str] = field(default_factory=dict)
    scenarios: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    file_option: FileOption | None = None
    recipes: str = ""
    text: Callable[[Any, int], str] = plain_text
    reports: Callable[[Any], Mapping[str, Mapping[str, NDArray[Any]]]] = plain_reports
    shared_bytes: Callable[[Any, bool], Mapping[str, float]] = lambda *_: {}

    def traces(
        self, parameters: FrozenModel, split: Split, seed: int, episodes: int, chunk: int = 0
    ) -> Trace:
        """Return the `episodes` traces that `seed` gives for `split`, the same at every call.

        An evaluation on a file that has fewer different episodes gets each of them once. A
        `chunk` has a random stream of its own.
        """
        return self.draw(parameters, split, random_stream(seed, split, chunk), episodes)


def _draw_cash(
    parameters: CashParameters, split: Split, rng: np.random.Generator, episodes: int
) -> Trace:
    """Draw episodes; evaluation on days with prices plays each window once if these are fewer.

    Where prices are drawn, more episodes than windows tell more: they average over prices.
    """
    law, steps = parameters.demand_law(split), parameters.max_steps
    whole = None
    if split == "evaluation" and isinstance(law, HistoricalDemand) and law.prices is not None:
        whole = law.every_trace(steps) if len(law.windows(steps + 1)) <= episodes else None
    return whole or cash_trace.draw_trace(parameters, law, rng, episodes)


def _draw_supply_chain(
    parameters: SupplyChainParameters, split: Split, rng: np.random.Generator, episodes: int
) -> Trace:
    """Draw episodes; evaluation on a file plays each window once if these are fewer."""
    few = supply_chain_trace.count_windows(parameters, split) <= episodes
    every = split == "evaluation" and few
    whole = supply_chain_trace.every_window(parameters, rng, split) if every else None
    return whole or supply_chain_trace.draw_trace(parameters, rng, episodes, split)


def _cash_reports(batch: cash.CashBatch) -> dict[str, dict[str, NDArray[Any]]]:
    report = batch.report
    return {"maker": {name: report[name] for name in REPORT_NAMES}}


PROBLEMS: dict[str, Problem] = {
    "cash": Problem(
        name="cash",
        parameters=CashParameters,
        make_batch=cash.CashBatch,
        draw=_draw_cash,
        observation_scale=(10.0, 10.0, 10.0, 10.0, 20.0, 2000.0),
        covariates=cash_trace.trace_covariates,
        covariate_names=cash_trace.COVARIATES,
        file_option=FileOption(
            "prices",
            "history",
            {"column": "demand", "raw_price": "raw_price", "product_price": "product_price"},
        ),
        text=lambda batch, world: cash_text(batch.state[world]),
        reports=_cash_reports,
    ),
    "stores": Problem(
        name="stores",
        parameters=SupplyChainParameters,
        make_batch=supply_chain.SupplyChainBatch,
        draw=_draw_supply_chain,
        totals={str(tier): total for tier, total in TOTALS.items()},
        scenarios=tuple(SCENARIOS),
        options=("stores", "learn", "policy"),
        text=chain_text,
        reports=supply_chain.SupplyChainBatch.reports,
        shared_bytes=constants.shared_bytes,
        # resampling does best on the bakery's selection period
        file_option=FileOption("demand", "demand", {"augment": "bootstrap"}),
    ),
}


def known_problem(name: str) -> str:
    """Return the name of a problem, if it is known.

    Raises
    ------
    InputError
        If it is not. A third-party environment's code runs only if the user names it.
    """
    if (":" in name or name in registry) and name not in PROBLEMS:
        raise InputError(
            f"problem = {name[:100]}: is an environment of your own, whose code runs only if you "
            f"name it: --env {name[:100]}"
        )
    return choose("problem", name, PROBLEMS)
