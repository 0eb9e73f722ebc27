"""Predictions of LightGBM's trees by compiled code, bit for bit what LightGBM itself predicts.

It visits the nodes of one tree after another. Here every node whose test fails takes the leaves on
its left away, and the first leaf that stays is the one reached. Features are cut at few thresholds
(``max_bin``), so that what all nodes of a feature take away, tree by tree, is known for every
interval between two of them: a row needs one operation on bits for each feature and tree.

References
----------
Lucchese et al. (2015), QuickScorer: A fast algorithm to rank documents with additive ensembles of
regression trees, SIGIR 2015.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.compiled import compiled

Floats = NDArray[np.float64]
Bits = NDArray[np.uint16]
MOST_LEAVES = 16
"""Leaves of a tree, at most: each is a bit."""

FIRST_BIT = np.array([(x & -x).bit_length() - 1 for x in range(1 << MOST_LEAVES)], np.int8)
"""The lowest bit that is set, by number."""


class Trees(NamedTuple):
    """An ensemble of trees, whose leaves are numbered from the left.

    Attributes
    ----------
    thresholds : ndarray
        In ascending order, then infinity, shape (features, most thresholds of a feature).
    kept : ndarray
        Bits of the leaves that nodes of a feature leave, by how many of its thresholds are below
        the row's value, shape (features, 1 + most thresholds of a feature, trees).
    leaves : ndarray
        Values of the leaves, shape (trees, `MOST_LEAVES`).
    """

    thresholds: Floats
    kept: Bits
    leaves: Floats

    @classmethod
    def of(cls, booster: Any) -> "Trees":
        """Return the trees of a `lightgbm.Booster` on numbers without missing ones."""
        roots = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
        leaves = np.zeros((len(roots), MOST_LEAVES))
        tests: list[tuple[int, float, int, int]] = []
        for t, root in enumerate(roots):
            reached = list(_leaves(root))
            leaves[t, : len(reached)] = reached
            tests += [(f, x, t, taken) for f, x, taken in _tests(root, 0)]
        own = [np.unique([x for f, x, *_ in tests if f == g]) for g in range(booster.num_feature())]
        thresholds = np.full((len(own), max(map(len, own))), np.inf)
        for g, values in enumerate(own):
            thresholds[g, : len(values)] = values
        kept = np.full((len(own), thresholds.shape[1] + 1, len(roots)), 0xFFFF, np.uint16)
        for f, x, t, taken in tests:
            kept[f, np.searchsorted(own[f], x) + 1 :, t] &= np.uint16(0xFFFF ^ taken)
        return cls(thresholds, kept, leaves)

    def predict(self, rows: NDArray[np.float32]) -> Floats:
        """Return the predictions for rows of features, shape (rows, features), in shape (rows,)."""
        found: Floats = _predicted(rows, self.thresholds, self.kept, self.leaves, FIRST_BIT)
        return found


def _leaves(node: dict[str, Any]) -> Iterator[float]:
    """Yield the values of all leaves below a node, from the left."""
    if "left_child" not in node:
        yield node["leaf_value"]
        return
    yield from _leaves(node["left_child"])
    yield from _leaves(node["right_child"])


def _tests(node: dict[str, Any], first: int) -> Iterator[tuple[int, float, int]]:
    """Yield each node's feature, threshold, and the bits of the leaves on its left.

    `first` is the number of the first leaf below the node.
    """
    if "left_child" not in node:
        return
    count = sum(1 for _ in _leaves(node["left_child"]))
    yield node["split_feature"], node["threshold"], ((1 << count) - 1) << first
    yield from _tests(node["left_child"], first)
    yield from _tests(node["right_child"], first + count)


@compiled
def _predicted(
    rows: NDArray[np.float32],
    thresholds: Floats,
    kept: Bits,
    leaves: Floats,
    first_bit: NDArray[np.int8],
) -> Floats:
    """Return the sums of the leaves that rows reach, added in the order of the trees."""
    found, trees = np.zeros(len(rows)), len(leaves)
    left = np.empty(trees, np.uint16)
    for r in range(len(rows)):
        left[:] = 0xFFFF
        for f in range(len(thresholds)):
            low, high = 0, thresholds.shape[1]
            while low < high:
                middle = (low + high) // 2
                if thresholds[f, middle] < rows[r, f]:
                    low = middle + 1
                else:
                    high = middle
            for t in range(trees):
                left[t] &= kept[f, low, t]
        for t in range(trees):
            found[r] += leaves[t, first_bit[left[t]]]
    return found
