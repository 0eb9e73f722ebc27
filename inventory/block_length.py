"""How many days a bootstrap has to keep together, found from the days themselves.

References
----------
Politis and White (2004), Automatic block-length selection for the dependent bootstrap,
Econometric Reviews 23(1), with the correction of Patton, Politis and White (2009), Econometric
Reviews 28(4): the circular block bootstrap.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MOST_DAYS = 28
INSIGNIFICANT = 5
"""So many lags in a row that are no more than chance end the memory of a series."""


def block_length(series: Floats) -> int:
    """Return the block length in days, from 1 (independent days) to `MOST_DAYS`.

    Parameters
    ----------
    series : ndarray
        Shape (days, lanes), stationary; lanes are taken to have the same memory.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> block_length(rng.normal(size=(700, 3)))
    1
    """
    days = len(series)
    rho = autocorrelations(series, min(MOST_DAYS + INSIGNIFICANT, days // 3))
    chance = np.abs(rho[1:]) < 2.0 * np.sqrt(np.log10(max(days, 2)) / max(days, 1))
    runs = (chance[k : k + INSIGNIFICANT].all() for k in range(len(chance)))
    memory = next((k for k, over in enumerate(runs) if over), len(chance))
    if memory == 0:
        return 1
    lags = np.arange(1, min(2 * memory, len(rho) - 1) + 1)
    # the flat-top window: 1 up to the memory, then falling to 0
    weighted = np.clip(2.0 - lags / memory, 0.0, 1.0) * rho[lags]
    spectrum = 1.0 + 2.0 * weighted.sum()
    slope = 2.0 * (lags * weighted).sum()
    best = (1.5 * days * slope**2 / max(spectrum**2, 1e-12)) ** (1 / 3)
    return int(np.clip(round(best), 1, MOST_DAYS))


def autocorrelations(series: Floats, lags: int) -> Floats:
    """Return the autocorrelation at lags 0 to `lags`, the mean over lanes that vary at all."""
    centred = series - series.mean(axis=0)
    variance = (centred**2).sum(axis=0)
    varies = variance > 0
    if not varies.any():
        return np.concatenate([[1.0], np.zeros(lags)])
    some, whole = centred[:, varies], variance[varies]
    days = len(some)
    products = [(some[k:] * some[: days - k]).sum(axis=0) / whole for k in range(lags + 1)]
    return np.array([product.mean() for product in products])
