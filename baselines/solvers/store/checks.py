"""Checks of the arguments of a single store's solvers."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from common.errors import InputError

Floats = NDArray[np.float64]


def checked_law(pmf: ArrayLike) -> Floats:
    """Return the probabilities of demand 0, 1, 2, ..., or raise an error if they are invalid."""
    law = np.asarray(pmf, dtype=np.float64)
    if law.ndim != 1 or not law.size or not (law >= 0).all() or abs(law.sum() - 1) > 1e-9:
        raise InputError("pmf: must be a list of probabilities that add up to 1")
    if law[0] > 1 - 1e-9:
        raise InputError("pmf: demand must not always be 0")
    return law


def checked_costs(least: float = 0.0, **costs: float) -> None:
    """Refuse costs below `least` or absurdly large."""
    for name, value in costs.items():
        if not least <= value <= 1e9:
            raise InputError(f"{name} = {value!r}: must be {least:g} to 1e9")
