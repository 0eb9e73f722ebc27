r"""Intermittent demand: its probability and its size, smoothed separately (TSB).

``F_t = (L + r) p_t z_t``, with p the share of days with demand and z the demand of such a day. A
day's demand D moves p by ``g (1[D > 0] - p)``, with the gain g, and where D > 0 the variance v by
``g ((D - z)^2 - v)`` and z by ``g (D - z)``. So p falls while nothing is sold, unlike in Croston's
method. Errors are scaled by the standard deviation of a day's demand, ``sqrt(p v + p (1 - p)
z^2)``, as the mean of four weeks is mostly chance if only three of their days had demand. States
begin at the first sale, with gains of 1/n until these are down to g, and are carried through the
training days; g minimises the squared errors on these.

The library with these methods (statsforecast) fits and forecasts whole series; here every morning
of many worlds needs a state computed from the days before it alone, so the recursion is written
out.

References
----------
Teunter, Syntetos and Babai (2011), Intermittent demand: linking forecasting to inventory
obsolescence, European Journal of Operational Research 214(3); Croston (1972), Forecasting and stock
control for intermittent demands, Operational Research Quarterly 23(3).
"""

from functools import lru_cache

import numpy as np

from common.array_cache import made_once
from common.compiled import compiled
from demand.forecasts.errors import Floats, Whole, training_windows
from demand.history import StoreHistory
from demand.known_demand import KNOWN_DAYS, KnownDemand

GAINS = (0.01, 0.02, 0.05, 0.1)
FREQUENCY, SIZE, VARIANCE, DAYS, SALES = range(5)
"""Entries of a state: p, z, v, days since the first sale and days with demand among them."""

LEAST_VARIATION = 0.1
"""The standard deviation of a day's demand is at least this share of z."""


@compiled
def advance(state: Floats, demand: float, gain: float) -> None:
    """Update a state, shape (5,), in place with a day's demand."""
    if demand > 0.0 and state[SALES] == 0.0:
        state[:] = 1.0, demand, 0.0, 1.0, 1.0
        return
    if state[SALES] == 0.0:
        return
    state[DAYS] += 1.0
    often = max(gain, 1.0 / state[DAYS])
    if demand > 0.0:
        state[SALES] += 1.0
        much = max(gain, 1.0 / state[SALES])
        away = demand - state[SIZE]
        state[VARIANCE] += much * (away * away - state[VARIANCE])
        state[SIZE] += much * away
        state[FREQUENCY] += often * (1.0 - state[FREQUENCY])
    else:
        state[FREQUENCY] -= often * state[FREQUENCY]


@compiled
def states_of(demand: Floats, gain: float) -> Floats:
    """Return the state of every morning, shape (days + 1, SKUs, N, 5).

    Parameters
    ----------
    demand : ndarray
        Shape (days, SKUs, N) [units/day].
    gain : float
        g.
    """
    days, skus, stores = demand.shape
    states = np.zeros((days + 1, skus, stores, 5), np.float32)
    for k in range(skus):
        for i in range(stores):
            state = np.zeros(5)
            for t in range(days):
                advance(state, demand[t, k, i], gain)
                states[t + 1, k, i] = state
    return states


@compiled
def carried_on(states: Floats, demand: Floats, row: int, gain: float) -> Floats:
    """Return states updated with the rows of demand before `row`, shape (worlds, N, 5).

    Parameters
    ----------
    states : ndarray
        States before the first row, shape (worlds, N, 5).
    demand : ndarray
        Shape (days, worlds, N) [units/day].
    row : int
        Today's row.
    gain : float
        g.
    """
    worlds, stores = demand.shape[1:]
    found = np.empty((worlds, stores, 5))
    for w in range(worlds):
        for i in range(stores):
            found[w, i] = states[w, i]
            for t in range(row):
                advance(found[w, i], demand[t, w, i], gain)
    return found


class Intermittent:
    """TSB with a given gain.

    Parameters
    ----------
    history : StoreHistory
        History whose training days are learned from.
    gain : float
        g.
    """

    def __init__(self, history: StoreHistory, gain: float) -> None:
        self.gain = gain
        self._first = history.table.first_day.toordinal()
        self._states: Floats = states_of(history.training, gain)

    def __call__(self, past: KnownDemand, day: int, days: Whole, sku: Whole) -> Floats:
        """Return F_t."""
        state = self._state(past, day, sku)
        forecast: Floats = days[:, None] * state[..., FREQUENCY] * state[..., SIZE]
        return forecast

    def scale(self, past: KnownDemand, day: int, sku: Whole) -> Floats:
        """Return the standard deviation of a day's demand, shape (worlds, N) [units]."""
        state = self._state(past, day, sku)
        often, much, variance = state[..., FREQUENCY], state[..., SIZE], state[..., VARIANCE]
        deviation = np.sqrt(often * variance + often * (1.0 - often) * much**2)
        scale: Floats = np.maximum(deviation, np.maximum(LEAST_VARIATION * much, 1e-6))
        return scale

    def _state(self, past: KnownDemand, day: int, sku: Whole) -> Floats:
        begin = np.clip(past.start - KNOWN_DAYS - self._first, 0, len(self._states) - 1)
        before = self._states[begin, sku]
        state: Floats = carried_on(before, past.demand, KNOWN_DAYS + day, self.gain)
        return state


@lru_cache(maxsize=2)
def intermittent(history: StoreHistory, days: int) -> Intermittent:
    """Return TSB with the gain of the least squared errors over training days, computed once.

    `days` is the usual number of days to forecast.
    """

    def scores() -> dict[str, Floats]:
        return {"scores": np.array([_squared_errors(history, days, gain) for gain in GAINS])}

    found = made_once(history.key_of("intermittent", days), scores)["scores"]
    return Intermittent(history, GAINS[int(np.argmin(found))])


def _squared_errors(history: StoreHistory, days: int, gain: float) -> float:
    """Return the squares of errors, divided by the training mean, summed over days and series."""
    states, total = states_of(history.training, gain), 0.0
    for sku in range(len(history.mean)):
        windows = training_windows(history, sku, days)
        at = windows.start - history.table.first_day.toordinal()
        expected = days * states[at, sku, :, FREQUENCY] * states[at, sku, :, SIZE]
        came = windows.known.demand[KNOWN_DAYS:].sum(axis=0)
        errors = np.where(windows.begun, (came - expected) / windows.known.usual, 0.0)
        total += float(np.square(errors).sum())
    return total
