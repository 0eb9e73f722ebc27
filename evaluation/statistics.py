"""Means with honest intervals: plain, with control variates, and for windows of a short history.

References
----------
Glasserman (2003), Monte Carlo Methods in Financial Engineering, section 4.1; Owen (2013), Monte
Carlo Theory, Methods and Examples, chapter 8; Law (2015), Simulation Modeling and Analysis,
5th ed., chapters 9-11.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

LEAST_RESIDUALS = 10
"""Degrees of freedom that the regression must leave; with fewer the plain mean is taken."""

WORST_SHARE = 0.05
"""Share of the episodes that the conditional value at risk is about."""

LEAST_REPEATS = 30
"""Repeated start days needed to tell the noise within a window from that between windows."""


def t_quantile(dof: float) -> float:
    """Return the 97.5% quantile of Student's t with `dof` degrees of freedom.

    Examples
    --------
    >>> round(t_quantile(10), 3)
    2.228
    """
    from scipy.special import stdtrit  # here: it takes long to import

    return float(stdtrit(dof, 0.975))


@dataclass(frozen=True)
class Estimate:
    """An estimated mean.

    Attributes
    ----------
    mean, se : float
        The estimate and its standard error.
    dof : float
        Degrees of freedom of Student's t for its interval.
    """

    mean: float
    se: float
    dof: float

    @property
    def half_width(self) -> float:
        """Half the width of the 95% interval, ``t(0.975, dof) * se``."""
        return t_quantile(self.dof) * self.se if self.se > 0 else self.se

    @property
    def ci95(self) -> tuple[float, float]:
        """The 95% interval of the mean."""
        return self.mean - self.half_width, self.mean + self.half_width


Estimator = Callable[[Values], Estimate]
"""From one value per episode to its mean, with all that is known of the episodes."""


class Summed(Protocol):
    """Values of which the number, the mean and the deviation are asked for, as of an array."""

    @property
    def size(self) -> int:
        """How many there are."""

    def mean(self) -> Any:
        """Return their mean."""

    def std(self, *, ddof: int) -> Any:
        """Return their standard deviation."""


def plain_mean(values: Summed) -> Estimate:
    """Return the mean of independent values with ``se = s / sqrt(n)`` and n - 1 dof.

    Examples
    --------
    >>> plain_mean(np.array([1.0, 2.0, 3.0])).mean
    2.0
    """
    n = values.size
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n), n - 1.0)


def worst_mean(values: Values, share: float = WORST_SHARE, of: int | None = None) -> float:
    """Return the mean of the lowest `share` of the values (conditional value at risk, CVaR).

    The values may be the lowest ones of `of` values, if they are at least that share.

    Of the value that the share cuts, only the part within counts (Rockafellar and Uryasev 2002,
    Conditional value-at-risk for general loss distributions, Journal of Banking & Finance 26(7)),
    so that among fewer than ``1 / share`` values it is the lowest one.

    Examples
    --------
    >>> worst_mean(np.array([4.0, 1.0, 3.0, 2.0]), share=0.5)
    1.5
    >>> worst_mean(np.array([4.0, 1.0, 3.0, 2.0]), share=0.375)  # (1 + 2 / 2) / 1.5
    1.3333333333333333
    """
    size = share * (values.size if of is None else of)
    weights = np.clip(size - np.arange(values.size), 0.0, 1.0)
    return float(weights @ np.sort(values) / size)


def share_better(values: Values, others: Values) -> float:
    """Return the share of episodes in which `values` are above `others`, ties counted half.

    The episodes are common ones, so they are compared pair by pair; this is the sign form of the
    probability of improvement of Agarwal et al. (2021), which takes all pairs.

    Examples
    --------
    >>> share_better(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 2.0, 5.0, 1.0]))
    0.625
    """
    return float(((values > others) + 0.5 * (values == others)).mean())


def usable_covariates(covariates: Values, episodes: int) -> NDArray[np.intp]:
    """Return which columns vary, or none if they would leave too few degrees of freedom."""
    spread = np.ptp(covariates, axis=0)
    varying = np.flatnonzero(spread > 1e-9 * np.abs(covariates).max(axis=0, initial=0.0))
    enough = episodes - varying.size - 1 >= LEAST_RESIDUALS
    return varying if enough else varying[:0]


def regression_mean(values: Values, covariates: Values) -> Estimate:
    """Return the mean at the known mean, zero, of the control variates.

    Least squares on ``y_i = mu + beta' c_i + e_i`` with ``E[c] = 0`` gives mu, and its standard
    error from the residuals, ``se^2 = s^2 * [(X'X)^-1]_00`` with ``X = [1, c]`` and
    ``s^2 = sum e_i^2 / (n - rank X)`` (Lavenberg and Welch 1981, Management Science 27(3);
    Glasserman 2003, 4.1.2). The bias of using the same episodes for beta and mu is of order 1/n.
    Being linear in y, it makes the difference of two means the mean of the differences.

    Parameters
    ----------
    values : ndarray
        One value per episode, shape (n,).
    covariates : ndarray
        Control variates, each with a mean of exactly zero, shape (n, columns). Columns that do
        not vary are left out; without any left, the result is `plain_mean`.
    """
    usable = usable_covariates(covariates, values.size)
    if not usable.size:
        return plain_mean(values)
    columns = covariates[:, usable]
    design = np.column_stack([np.ones(values.size), columns / columns.std(axis=0)])
    coefficients, _, rank, _ = np.linalg.lstsq(design, values)
    residuals = values - design @ coefficients
    dof = values.size - int(rank)
    spread = float(residuals @ residuals) / dof
    inverse = np.linalg.pinv(design.T @ design, hermitian=True)
    return Estimate(float(coefficients[0]), math.sqrt(spread * float(inverse[0, 0])), float(dof))


def window_mean(
    values: Values, start: NDArray[np.intp], windows: float, *, drawn: bool = True
) -> Estimate:
    """Return the mean over windows drawn from one short history, as a sample of other days.

    Windows that overlap share their days, so n of them say no more of other days than the
    K = N / L disjoint ones do (N start days, windows of L days). With the variance of an episode
    split into that within a start day (prices) and that between start days,
    ``s^2 = s_w^2 + s_b^2``::

        se^2 = s_b^2 / (K - 1) + s^2 / n

    The first part is the history's, and no number of episodes makes it smaller: for independent
    days the mean over all N windows has the variance ``s_b^2 / K`` (up to a share of 1 / 3K),
    and the overlapping windows of one history show ``1 - 1/K`` of it (overlapping batch means,
    Law 2015, 9.5.3). The second is that of drawing n episodes. The degrees of freedom are those
    of Welch and Satterthwaite, K - 1 for the first part.

    Parameters
    ----------
    values : ndarray
        One value per episode, shape (n,).
    start : ndarray
        Which episodes have the same start day, shape (n,), as numbers from 0.
    windows : float
        K, at least 2.
    drawn : bool
        Whether the start days were drawn; else each of them was played as often as any other, and
        the second part is 0.
    """
    if not drawn:
        means = np.bincount(start, values) / np.bincount(start)
        se = float(means.std(ddof=1)) / math.sqrt(windows - 1.0)
        return Estimate(float(values.mean()), se, windows - 1.0)
    n = values.size
    total = float(values.var(ddof=1))
    between = max(0.0, total - _variance_within(values, start)) / (windows - 1.0)
    drawing = total / n
    variance = between + drawing
    parts = between**2 / (windows - 1.0) + drawing**2 / (n - 1.0)
    dof = variance**2 / parts if parts > 0 else n - 1.0
    return Estimate(float(values.mean()), math.sqrt(variance), dof)


def _variance_within(values: Values, start: NDArray[np.intp]) -> float:
    """Return the pooled variance of episodes with the same start day; 0 if too few share one."""
    counts = np.bincount(start)
    repeats = values.size - np.count_nonzero(counts)
    if repeats < LEAST_REPEATS:
        return 0.0
    centre = np.bincount(start, values) / np.maximum(counts, 1)
    return float(np.square(values - centre[start]).sum()) / repeats


def verdict(low: float, high: float) -> str:
    """Return what an interval of a difference says of the first beside the second.

    Examples
    --------
    >>> verdict(0.1, 0.3), verdict(-0.1, 0.3)
    ('beats', 'cannot be told from')
    """
    if low <= 0 <= high:
        return "cannot be told from"
    return "beats" if low > 0 else "loses to"


def decimals(estimates: Iterable[Estimate]) -> int:
    """Return the decimals that the narrowest interval deserves, 0 to 3."""
    widths = [e.half_width for e in estimates if e.half_width > 0]
    narrowest = min(widths, default=1.0)
    return next((d for d in range(3) if narrowest * 10**d >= 10), 3)


def number(value: float, digits: int) -> str:
    """Return a number as tables show it; from 10,000 on without decimals."""
    return f"{value:z,.{0 if abs(value) >= 10_000 else digits}f}"
