"""The cash / raw / product problem: buy raw material, convert 2 raw into 1 product, sell.

The batch of worlds. Parameters are in `envs.cash.parameters`, traces in
`envs.cash.trace`, the law of motion in `envs.cash.dynamics`.
"""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from common.random_streams import Split, random_stream
from envs.batch import LAW_UNKNOWN, NOT_MEMORYLESS, Fork, Futures, Outcome, Trace, whole_actions
from envs.cash.kernels import (
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
    observe_batch,
    report_batch,
    step_batch,
    valid_actions,
)
from envs.cash.parameters import CashParameters
from envs.cash.trace import check_room, check_trace, draw_trace


class CashBatch:
    """A batch of worlds of the cash problem (implements `envs.batch.Batch`).

    Parameters
    ----------
    parameters : CashParameters
        Parameters of the episodes that start from now on (`change_parameters` replaces them).
    num_worlds : int
        Number of worlds.
    rng : numpy.random.Generator, optional
        Generator of traces; by default the stream of `split` of seed 0.
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
        if expected_reward and not parameters.law_is_known:
            raise InputError(LAW_UNKNOWN)
        self.parameters = parameters
        self.num_worlds = num_worlds
        self.num_actions = parameters.num_actions
        self.observation_low, self.only_valid = 0.0, False
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
        check_room(self.num_worlds, steps)
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
        actions = whole_actions(actions, (n,))
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
            over = self.rows[STEP, wrong] >= self.rows[MAX_STEPS, wrong]
            why = "its time is over: reset it" if over else f"must be 0 to {self.num_actions - 1}"
            raise ValueError(f"world {wrong} cannot take action {actions[wrong]}: {why}")
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
        """The report of every world's last step: a fresh `REPORT` array."""
        out = np.empty(self.num_worlds, REPORT)
        report_batch(self._rows, out)
        return out

    def observation(self) -> NDArray[np.float32]:
        """Return a fresh array of shape (num_worlds, 6), or 7 with the share of time passed."""
        out = np.empty((self.num_worlds, self.observation_size), np.float32)
        observe_batch(self._rows, out)
        return out

    def show(self, observation: NDArray[np.float32]) -> None:
        """Put the worlds in the state that observations describe, so that `action_masks` fits."""
        self.rows[: len(OBSERVATION_NAMES)] = observation[:, : len(OBSERVATION_NAMES)].T

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
        """Restore what `get_state` returned; a ValueError if it does not fit."""
        rows, trace, constants = state["worlds"], state["trace"], state["constants"]
        steps = trace["demand"].shape[-1] - 1
        rooms = {name: (self.num_worlds, steps + (name == "demand")) for name in trace}
        if rows.shape != self.rows.shape or constants.shape not in ((1,), (self.num_worlds,)):
            raise ValueError("another number of worlds")
        if any(trace[name].shape != room for name, room in rooms.items()):
            raise ValueError("a trace of another shape")
        at, ends = rows[STEP], rows[MAX_STEPS]  # compiled steps read the trace there
        if (at != np.floor(at)).any() or (at < 0).any() or (at >= ends).any() or ends.max() > steps:
            raise ValueError("a step out of its episode")
        self.change_parameters(state["parameters"])
        self.rng.bit_generator.state = state["rng"]
        self.rows[:] = rows
        self._constants, self._constants_of = constants.copy(), None
        self._trace = {name: np.array(v, order="F") for name, v in trace.items()}
        if steps < self.parameters.max_steps:
            self._make_room(self.parameters.max_steps)
        self._steps = [values.T for values in self._trace.values()]

    @property
    def memoryless(self) -> bool:
        """Whether demand and prices come from laws, not from a file."""
        return self.parameters.demand_data is None

    def fork(self, worlds: NDArray[np.intp], futures: Futures | None = None) -> Fork:
        """Return copies of worlds; see `envs.batch.Batch.fork`."""
        count = len(worlds)
        trace = self._trace
        at: NDArray[np.intp] = worlds
        if futures is not None:
            if not self.memoryless:
                raise InputError(NOT_MEMORYLESS)
            check_room(count, self.parameters.max_steps)
            trace = draw_trace(self.parameters, self._law, futures.rng, futures.different)
            at = futures.of
        new = copy.copy(self)
        new.num_worlds = count
        new._rows = make_rows(count)
        new.rows[:] = self.rows[:, worlds]
        if self._constants.size > 1:
            new._constants = self._constants[worlds]
        # step by step, as `step` reads it; of a new future, steps that have passed stay unread
        new._trace = {name: np.take(trace[name].T, at, axis=1).T for name in self._trace}
        new._steps = [values.T for values in new._trace.values()]
        return Fork(new, np.arange(count))
