"""The cash / raw / product problem: buy raw material, convert 2 raw into 1 product, sell.

Parameters, traces and the batch of worlds; the law of motion stands in `inventory.cash_law`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inventory.batch import Outcome, Split, Trace, random_stream
from inventory.cash_kernels import observe_batch, report_batch, step_batch, valid_actions
from inventory.cash_law import CONSTANTS, MIN_PRICE
from inventory.cash_rows import (
    CASH,
    DEMAND,
    MAX_STEPS,
    OBSERVATION_NAMES,
    PRODUCT_PRICE,
    RAW_PRICE,
    REPORT,
    ROWS,
    STATE,
    STEP,
    make_rows,
)
from inventory.demand import DemandFile, DemandLaw, NormalDemand, demand_period
from inventory.errors import FrozenModel, InputError
from inventory.sampling import normal

Amount = Annotated[float, Field(ge=0, le=1e9)]
Price = Annotated[float, Field(ge=MIN_PRICE, le=1e9)]
Lots = Annotated[
    tuple[Annotated[int, Field(ge=1, le=1_000_000)], ...], Field(min_length=1, max_length=64)
]


class CashParameters(FrozenModel):
    """Parameters of the cash problem. Prices are money per unit, costs money per unit and step."""

    initial_cash: Annotated[float, Field(gt=0, le=1e9)] = 1000.0
    demand_mean: Amount = 10.0
    demand_std: Amount = 3.0
    raw_price_mean: Price = 5.0
    product_price_mean: Price = 20.0
    price_std: Amount = 0.2
    holding_cost: Amount = 0.1
    stockout_penalty: Amount = 5.0
    invalid_action_penalty: Amount = 2.0
    bankruptcy_penalty: Amount = 100.0
    conversion_bonus: Amount = 10.0
    raw_per_product: Annotated[int, Field(ge=1, le=1000)] = 2
    max_steps: Annotated[int, Field(ge=1, le=100_000)] = 50
    objective: Literal["shaped", "profit"] = "shaped"
    buy_lots: Lots = (1,)
    convert_lots: Lots = (1,)
    demand_data: DemandFile | None = None

    @property
    def num_actions(self) -> int:
        """Number of actions: wait, the buys, the conversions."""
        return 1 + len(self.buy_lots) + len(self.convert_lots)

    def lots(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return units bought and units made by each action, both of shape (num_actions,)."""
        buy, make = np.zeros(self.num_actions), np.zeros(self.num_actions)
        buy[1 : 1 + len(self.buy_lots)] = self.buy_lots
        make[1 + len(self.buy_lots) :] = self.convert_lots
        return buy, make

    def constants(self) -> NDArray[np.void]:
        """Return what the law of motion reads, as one `CONSTANTS` record of shape (1,)."""
        record = np.zeros(1, CONSTANTS)
        for name in CONSTANTS.names or ():
            record[name] = self.objective == "profit" if name == "profit" else getattr(self, name)
        return record

    def check_stage(self, stage: "CashParameters") -> None:
        """Make sure that worlds of these parameters can go on with those of `stage`.

        Raises
        ------
        InputError
            If the lots, and with them the actions, or the demand file differ.
        """
        for name in ("buy_lots", "convert_lots", "demand_data"):
            if getattr(stage, name) != getattr(self, name):
                raise InputError(f"{name} cannot change between the stages of a run")

    def demand_law(self, split: Split = "training") -> DemandLaw:
        """Return where demand comes from: the normal law, or the days of `demand_data`."""
        if self.demand_data is not None:
            return demand_period(self.demand_data, split)
        return NormalDemand(self.demand_mean, self.demand_std)


MAX_STEPS_HELD = 100_000_000
"""Steps whose randomness may be held at once, 24 bytes each."""


def _check_room(episodes: int, steps: int) -> None:
    if episodes * steps > MAX_STEPS_HELD:
        raise InputError(
            f"{episodes:,} episodes of {steps:,} steps are too many to hold at once (at most "
            f"{MAX_STEPS_HELD:,} steps); reduce n_envs, episodes or max_steps"
        )


def draw_trace(
    parameters: CashParameters,
    law: DemandLaw,
    rng: np.random.Generator,
    episodes: int,
    room: Trace | None = None,
) -> Trace:
    """Draw the randomness of `episodes` episodes.

    Parameters
    ----------
    parameters : CashParameters
        Of the episodes.
    law : DemandLaw
        Where demand comes from.
    rng : numpy.random.Generator
        Where the randomness comes from.
    episodes : int
        Number of episodes.
    room : dict, optional
        Arrays in Fortran order, with at least T steps, to draw demand and price changes into:
        fresh memory costs more than the numbers that fill it.

    Returns
    -------
    dict
        ``raw_price`` and ``product_price``, shape (episodes,): start prices [money/unit];
        ``demand``, shape (episodes, T + 1) [units/step], index 0 shown by the reset;
        ``raw_price_change`` and ``product_price_change``, shape (episodes, T) [money/unit].
    """
    _check_room(episodes, parameters.max_steps)
    p, steps, within = parameters, parameters.max_steps, room or {}

    def changes(name: str) -> NDArray[np.float64]:
        out = within[name].T[:steps] if name in within else None
        return normal(rng, 0.0, p.price_std, (steps, episodes), out=out).T

    demand = within["demand"][:, : steps + 1] if within else None
    return {  # drawn step by step, for all worlds at once: that is how the batch reads it
        "raw_price": normal(rng, p.raw_price_mean, p.price_std, (episodes,), MIN_PRICE),
        "product_price": normal(rng, p.product_price_mean, p.price_std, (episodes,), MIN_PRICE),
        "demand": law.draw(rng, episodes, steps + 1, demand),
        "raw_price_change": changes("raw_price_change"),
        "product_price_change": changes("product_price_change"),
    }


def check_trace(trace: Mapping[str, Any], steps: int) -> Trace:
    """Return a trace from outside as float64 arrays with a leading axis of episodes.

    A trace of a single episode, without that axis, is accepted too.

    Raises
    ------
    InputError
        If a part is missing, unknown, of a wrong shape, not finite, or a price or demand is out
        of range.
    """
    if not isinstance(trace, Mapping):
        raise InputError(f"trace must be a mapping of arrays, not {type(trace).__name__}")
    lengths = {
        "raw_price": 0,
        "product_price": 0,
        "demand": steps + 1,
        "raw_price_change": steps,
        "product_price_change": steps,
    }
    if set(trace) != set(lengths):
        wrong = sorted(set(trace) ^ set(lengths), key=str)
        raise InputError(f"trace must have exactly {', '.join(lengths)}; check {wrong[0]!r}")
    episodes: int | None = None
    arrays: Trace = {}
    for name, length in lengths.items():
        try:
            values = np.asarray(trace[name], dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"trace {name!r} must hold numbers") from None
        if values.ndim == (1 if length else 0):
            values = values[np.newaxis]
        episodes = values.shape[0] if episodes is None and values.ndim else episodes
        shape = (episodes, length) if length else (episodes,)
        if values.shape != shape:
            raise InputError(f"trace {name!r} has shape {np.shape(trace[name])}, not {shape}")
        low = {"demand": 0.0, "raw_price": MIN_PRICE, "product_price": MIN_PRICE}.get(name, -np.inf)
        if not np.isfinite(values).all() or (values < low).any():
            raise InputError(f"trace {name!r} must be finite and at least {low}")
        arrays[name] = values
    return arrays


def trace_covariates(parameters: CashParameters, trace: Trace) -> NDArray[np.float64]:
    """Return functions of the trace whose mean is known to be zero, as control variates.

    They are, each less its mean: the total demand, and for raw material and product the start
    price and the sum of the price's changes, weighted by the steps that each still affects.

    Returns
    -------
    ndarray
        Shape (episodes, columns); no columns when demand comes from a file.
    """
    p, episodes = parameters, trace["raw_price"].size
    if p.demand_data is not None:
        return np.empty((episodes, 0))
    expected = NormalDemand(p.demand_mean, p.demand_std).expected
    columns = [trace["demand"][:, 1:].sum(axis=1) - expected * p.max_steps]
    weight = np.arange(p.max_steps, 0, -1) - 1.0
    for side, mean in (("raw", p.raw_price_mean), ("product", p.product_price_mean)):
        start = MIN_PRICE + NormalDemand(mean - MIN_PRICE, p.price_std).expected  # its own floor
        columns += [trace[f"{side}_price"] - start, trace[f"{side}_price_change"] @ weight]
    return np.stack(columns, axis=1)


class CashBatch:
    """A batch of worlds of the cash problem (implements `inventory.batch.Batch`).

    Parameters
    ----------
    parameters : CashParameters
        Parameters of the episodes that start from now on (`change_parameters` replaces them).
    num_worlds : int
        Number of worlds.
    rng : numpy.random.Generator, optional
        Where traces are drawn from; by default the stream of `split` of seed 0.
    split : {"training", "validation", "tuning", "evaluation"}
        Which days of a demand file may be drawn.
    observe_step : bool
        Append the share of the episode that has passed to the observation.
    expected_reward : bool
        Return from `step` the reward expected over the law of the step's demand, given the stock
        before the sale, in place of the realised one. Totals stay realised. For training only.
    """

    def __init__(
        self,
        parameters: CashParameters,
        num_worlds: int,
        *,
        rng: np.random.Generator | None = None,
        split: Split = "training",
        observe_step: bool = False,
        expected_reward: bool = False,
    ) -> None:
        if expected_reward and parameters.demand_data is not None:
            raise InputError(
                "expected_reward needs the law of demand, which a demand file does not give; "
                "set reward.expected=false"
            )
        self.parameters = parameters
        self.num_worlds = num_worlds
        self.num_actions = parameters.num_actions
        self.observation_low = 0.0
        self.observation_size = len(OBSERVATION_NAMES) + observe_step
        self.expected_reward = expected_reward
        self.split: Split = split
        self.rng = rng if rng is not None else random_stream(0, split)
        self._rows = make_rows(num_worlds)
        self._lots = np.stack(parameters.lots())
        self._constants = parameters.constants()
        self._constants_of: CashParameters | None = parameters
        self._law = parameters.demand_law(split)
        self._trace: Trace = {}
        self._make_room(parameters.max_steps)

    def _make_room(self, steps: int) -> None:
        """Let the stored traces hold episodes of `steps` steps."""
        _check_room(self.num_worlds, steps)
        extra = {"demand": 1, "raw_price_change": 0, "product_price_change": 0}
        for name, one_more in extra.items():
            room = np.zeros((steps + one_more, self.num_worlds)).T
            if name in self._trace:
                old = self._trace[name]
                room[:, : old.shape[1]] = old
            self._trace[name] = room
        self._steps = [values.T for values in self._trace.values()]  # taking them costs a little

    def change_parameters(self, parameters: CashParameters) -> None:
        """Use other parameters from each world's next episode on (curriculum).

        Raises
        ------
        InputError
            As `CashParameters.check_stage`.
        """
        self.parameters.check_stage(parameters)
        self.parameters = parameters
        self._law = parameters.demand_law(self.split)
        if parameters.max_steps + 1 > self._trace["demand"].shape[1]:
            self._make_room(parameters.max_steps)

    def reset(self, trace: Mapping[str, Any] | None = None) -> None:
        """Start a new episode in every world, on `trace` (first axis = world) or a drawn one."""
        worlds = np.arange(self.num_worlds)
        if trace is None:
            self.restart(worlds)
            return
        given = check_trace(trace, self.parameters.max_steps)
        if given["raw_price"].size != self.num_worlds:
            raise InputError(
                f"trace holds {given['raw_price'].size} episodes, not {self.num_worlds}"
            )
        self._begin(worlds, given)

    def restart(self, worlds: NDArray[np.intp]) -> None:
        """Start a new episode, on a drawn trace, in the worlds given by index."""
        room = self._trace if len(worlds) == self.num_worlds else None
        drawn = draw_trace(self.parameters, self._law, self.rng, len(worlds), room)
        self._begin(worlds, drawn)

    def _begin(self, worlds: NDArray[np.intp], trace: Trace) -> None:
        at: Any = slice(None) if len(worlds) == self.num_worlds else worlds
        for name, room in self._trace.items():
            part = trace[name]
            if not np.may_share_memory(part, room):  # else it was drawn where it belongs
                room[at, : part.shape[1]] = part
        rows, p = self.rows, self.parameters
        rows[:, at] = 0.0
        rows[CASH, at], rows[MAX_STEPS, at] = p.initial_cash, p.max_steps
        rows[RAW_PRICE, at], rows[PRODUCT_PRICE, at] = trace["raw_price"], trace["product_price"]
        rows[DEMAND, at] = trace["demand"][:, 0]
        if self._constants_of is not p:
            self._change_constants(at)

    def _change_constants(self, at: Any) -> None:
        """Give the worlds `at` the present constants; one record serves all while they agree."""
        new = self.parameters.constants()
        self._constants = np.resize(self._constants, self.num_worlds)
        self._constants[at] = new
        if (self._constants == new).all():
            self._constants = new
        self._constants_of = self.parameters if self._constants.size == 1 else None

    def step(self, actions: NDArray[np.integer[Any]]) -> Outcome:
        """Move every world by one step.

        Raises
        ------
        ValueError
            If an action is out of range or the world's time is over.
        """
        n = self.num_worlds
        outcome = Outcome(np.empty(n), np.empty(n, np.bool_), np.empty(n, np.bool_))
        demand, raw_price_change, product_price_change = self._steps
        wrong = step_batch(
            self._constants,
            self._rows,
            self._lots,
            demand,
            raw_price_change,
            product_price_change,
            actions,
            *outcome,
            self.expected_reward,
        )
        if wrong >= 0:
            raise ValueError(
                f"world {wrong} cannot take action {actions[wrong]!r} at step "
                f"{self.rows[STEP, wrong]:.0f}: actions are 0..{self.num_actions - 1}, and a "
                "world whose time is over needs a reset"
            )
        return outcome

    @property
    def rows(self) -> NDArray[np.float64]:
        """All that worlds hold, by name in `ROWS`: a view of shape (rows, num_worlds)."""
        return self._rows[:, : self.num_worlds]

    @property
    def state(self) -> NDArray[np.void]:
        """State of the worlds and their totals so far: a read-only `STATE` array of this moment."""
        out = np.empty(self.num_worlds, STATE)
        for name, row in zip(ROWS[: STEP + 1], self.rows, strict=False):
            out[name] = row
        out.flags.writeable = False
        return out

    @property
    def report(self) -> NDArray[np.void]:
        """What the worlds tell of their last step: a fresh `REPORT` array."""
        out = np.empty(self.num_worlds, REPORT)
        report_batch(self._rows, out)
        return out

    def observation(self) -> NDArray[np.float32]:
        """Return a fresh array of shape (num_worlds, 6), or 7 with the share of time passed."""
        out = np.empty((self.num_worlds, self.observation_size), np.float32)
        observe_batch(self._rows, out)
        return out

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which actions are valid now, shape (num_worlds, num_actions)."""
        out = np.empty((self.num_worlds, self.num_actions), np.bool_)
        valid_actions(self._constants, self._rows, self._lots, out)
        return out

    def episode_totals(self) -> dict[str, NDArray[np.float64]]:
        """Return sums over the current episode, each of shape (num_worlds,)."""
        s = dict(zip(ROWS, self.rows.copy(), strict=True))
        asked = s["demand_total"]
        served = np.divide(s["units_sold"], asked, out=np.ones_like(asked), where=asked > 0)
        return {
            "return": s["return"],
            "length": s["step"],
            "final_cash": s["cash"],
            "units_sold": s["units_sold"],
            "unmet_demand": s["unmet_demand"],
            "fill_rate": served,
            "invalid_actions": s["invalid_actions"],
        }

    def get_state(self) -> dict[str, Any]:
        """Return everything that the future depends on; arrays are copies."""
        return {
            "parameters": self.parameters,
            "rng": self.rng.bit_generator.state,
            "worlds": self.rows.copy(),
            "constants": self._constants.copy(),
            "trace": {name: values.copy() for name, values in self._trace.items()},
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `get_state` returned."""
        self.change_parameters(state["parameters"])
        self.rng.bit_generator.state = state["rng"]
        self.rows[:] = state["worlds"]
        self._constants, self._constants_of = state["constants"].copy(), None
        self._trace = {name: np.array(v, order="F") for name, v in state["trace"].items()}
        self._steps = [values.T for values in self._trace.values()]
