"""A policy's actions in states on a grid of two entries, all others as in its usual episodes."""

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from evaluation.report.contents import ReportContents
from evaluation.report.episodes import Floats

MOST_CELLS = 40
"""Most cells along an axis."""

MOST_DOTS = 400
"""Most states of the policy's own episodes that are shown."""


@dataclass(frozen=True)
class ActionMap:
    """The actions of a policy over two entries of the state.

    Attributes
    ----------
    x, y : ndarray
        Values of the two entries, shape (columns,) and (lines,).
    chosen : ndarray
        Index of the action, shape (lines, columns).
    labels, colours : list of str
        Labels and colours of the actions.
    visited : tuple of ndarray
        x and y of states that the policy visited.
    x_label, y_label : str
        Labels of the axes.
    """

    x: Floats
    y: Floats
    chosen: NDArray[np.intp]
    labels: list[str]
    colours: list[str]
    visited: tuple[Floats, Floats]
    x_label: str
    y_label: str


def shades(name: str, count: int) -> list[str]:
    """Return `count` shades of a hue, light to dark, legible on light and dark backgrounds."""
    places = np.linspace(0.42, 0.88, count) if count > 1 else np.array([0.62])
    return [to_hex(mpl.colormaps[name](place)) for place in places]


def axis_levels(values: Floats, least: float, *, whole: bool = False) -> Floats:
    """Return the grid of an axis: from 0 to a little above the usual values."""
    finite = values[np.isfinite(values)]
    high = 1.15 * max(float(np.quantile(finite, 0.99)) if finite.size else 0.0, least)
    if whole and high < MOST_CELLS:
        return np.arange(0.0, np.ceil(high) + 2.0)
    return np.linspace(0.0, high, MOST_CELLS)


def actions_in(contents: ReportContents, name: str, batch: Any) -> NDArray[np.intp]:
    """Return a policy's best actions in the worlds of a batch, as if their episodes began now."""
    policy = contents.policies[name]
    policy.bind(batch)
    start = np.ones(batch.num_worlds, np.bool_)
    return np.asarray(policy.predict(batch.observation(), None, start, True)[0], np.intp)
