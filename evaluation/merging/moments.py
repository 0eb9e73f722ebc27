"""Means and cross products of columns, merged exactly over chunks of episodes."""

import math
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from evaluation.statistics import Estimate, Values, plain_mean, usable_covariates

SINGULAR = 1e-10
"""Eigenvalues of a correlation matrix below this share of the largest one count as 0."""


@dataclass(frozen=True, eq=False)
class Moments:
    """What a regression needs to know of columns of numbers.

    Attributes
    ----------
    count : int
        Rows.
    mean : ndarray
        Of each column, shape (columns,).
    cross : ndarray
        Sums of products of the deviations from the means, shape (columns, columns).
    low, high : ndarray
        The least and the largest entry of each column, shape (columns,).
    """

    count: int
    mean: Values
    cross: Values
    low: Values
    high: Values

    @classmethod
    def of(cls, columns: Values) -> "Moments":
        """Return the moments of columns, shape (rows, columns)."""
        mean = columns.mean(axis=0)
        apart = columns - mean
        return cls(len(columns), mean, apart.T @ apart, columns.min(axis=0), columns.max(axis=0))

    def merged(self, other: "Moments") -> "Moments":
        """Return the moments of the rows of both.

        References
        ----------
        Chan, Golub and LeVeque (1983), Algorithms for computing the sample variance: analysis and
        recommendations, The American Statistician 37(3), equation 2.1.
        """
        count = self.count + other.count
        apart = other.mean - self.mean
        shared = self.count * other.count / count
        return Moments(
            count,
            self.mean + apart * (other.count / count),
            self.cross + other.cross + shared * np.outer(apart, apart),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    def column(self, index: int) -> "Combination":
        """Return one column as values of a sample."""
        return Combination(self, np.eye(len(self.mean))[index])


def merge(parts: list[Moments]) -> Moments:
    """Return the moments of the rows of all parts, merged in their order."""
    return reduce(Moments.merged, parts)


@dataclass(frozen=True, eq=False)
class Combination:
    """A linear combination of columns, of which moments are all that is known.

    It stands for an array of a value per episode wherever only differences, multiples, the mean
    and the deviation of such are asked for.

    Attributes
    ----------
    moments : Moments
        Of the columns.
    weights : ndarray
        Of the columns, shape (columns,).
    shift : float
        What is added.
    """

    moments: Moments
    weights: Values
    shift: float = 0.0
    __array_ufunc__ = None  # else numpy's numbers take it for an array

    @property
    def size(self) -> int:
        """How many values there are."""
        return self.moments.count

    def mean(self) -> float:
        """Return their mean."""
        return float(self.weights @ self.moments.mean) + self.shift

    def std(self, *, ddof: int = 0) -> float:
        """Return their standard deviation."""
        squares = float(self.weights @ self.moments.cross @ self.weights)
        return math.sqrt(max(0.0, squares) / (self.size - ddof))

    def __sub__(self, other: "Combination | float") -> "Combination":
        """Return the differences, episode by episode."""
        if isinstance(other, Combination):
            return Combination(self.moments, self.weights - other.weights, self.shift - other.shift)
        return Combination(self.moments, self.weights, self.shift - other)

    def __rsub__(self, other: float) -> "Combination":
        """Return a number less the values."""
        return Combination(self.moments, -self.weights, other - self.shift)

    def __rmul__(self, factor: float) -> "Combination":
        """Return multiples."""
        return Combination(self.moments, factor * self.weights, factor * self.shift)


def merged_covariates(moments: Moments, count: int) -> NDArray[np.intp]:
    """Return which of the first `count` columns are usable as control variates."""
    return usable_covariates(np.stack([moments.low, moments.high])[:, :count], moments.count)


def merged_mean(values: Combination, covariates: NDArray[np.intp]) -> Estimate:
    """Return `evaluation.statistics.regression_mean` of what moments are known of.

    With cross products S of the control variates c and the values y about their means,
    ``beta = S_cc^-1 S_cy``, ``mu = mean y - beta' mean c``, ``sum e^2 = S_yy - beta' S_cy`` and
    ``[(X'X)^-1]_00 = 1/n + mean c' S_cc^-1 mean c``.

    Parameters
    ----------
    values : Combination
        Values.
    covariates : ndarray
        The columns that are control variates.
    """
    if not covariates.size:
        return plain_mean(values)
    m = values.moments
    scale = np.sqrt(np.diag(m.cross)[covariates])
    own = m.cross[np.ix_(covariates, covariates)] / np.outer(scale, scale)
    with_values = (m.cross[covariates] @ values.weights) / scale
    inverse = np.linalg.pinv(own, rcond=SINGULAR, hermitian=True)
    rank = int(np.linalg.matrix_rank(own, tol=SINGULAR * len(own), hermitian=True))
    beta, mean = inverse @ with_values, m.mean[covariates] / scale
    squares = float(values.weights @ m.cross @ values.weights - beta @ with_values)
    dof = m.count - 1 - rank
    spread = max(0.0, squares) / dof
    around = 1.0 / m.count + float(mean @ inverse @ mean)
    return Estimate(values.mean() - float(beta @ mean), math.sqrt(spread * around), float(dof))
