"""What is known of all episodes of all policies: every total, or what chunks were merged to."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from baselines.chunks import Play, Totals, iterate_chunks
from baselines.solvers.reference import Reference
from common.shards import HERE, Workers
from envs.batch import Trace
from evaluation.merging.moments import Combination, Moments, merged_covariates, merged_mean
from evaluation.statistics import (
    WORST_SHARE,
    Estimate,
    Estimator,
    Values,
    share_better,
    worst_mean,
)

FindReference = Callable[[Trace], Reference]


class Sample(Protocol):
    """All episodes of all policies, as a comparison asks for them.

    Attributes
    ----------
    names : tuple of str
        The policies.
    reference : Reference or None
        What they are measured against.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The policies."""

    @property
    def episodes(self) -> int:
        """How many episodes each plays."""

    @property
    def reference(self) -> Reference | None:
        """What they are measured against."""

    def returns(self, name: str) -> Any:
        """Return a policy's returns: an array, or a `Combination` that does for one."""

    def hindsight(self) -> Any:
        """Return the reference in every episode, or its value where it is one number."""

    def estimate(self, values: Any) -> Estimate:
        """Return the mean of what `returns` gives, or of differences of such."""

    def worst(self, name: str) -> float:
        """Return the mean of a policy's worst episodes."""

    def better(self, name: str, other: str) -> float:
        """Return the share of episodes in which a policy earns more than another, ties half."""

    def means(self, name: str) -> dict[str, float]:
        """Return the means of a policy's totals."""

    def totals(self, name: str) -> Totals:
        """Return the totals of every episode of a policy; empty where they are not held."""


def with_return(totals: Totals, measure: str) -> Totals:
    """Return the totals with `measure` as the return, and the usual return as one of the others."""
    if measure == "return":
        return totals
    rest = {name: values for name, values in totals.items() if name not in ("return", measure)}
    return {"return": totals[measure], "store_return": totals["return"], **rest}


@dataclass(frozen=True, eq=False)
class HeldEpisodes:
    """A sample of which every total is held."""

    played: Mapping[str, Totals]
    reference: Reference | None
    estimator: Estimator

    @property
    def names(self) -> tuple[str, ...]:
        """The policies."""
        return tuple(self.played)

    @property
    def episodes(self) -> int:
        """How many episodes each plays."""
        return len(self.returns(self.names[0]))

    def returns(self, name: str) -> Values:
        """Return a policy's returns, shape (episodes,)."""
        return self.played[name]["return"]

    def hindsight(self) -> Any:
        """Return the reference in every episode, or its value."""
        known = self.reference
        return known and (known.value if known.values is None else known.values)

    def estimate(self, values: Values) -> Estimate:
        """Return the mean of values."""
        return self.estimator(values)

    def worst(self, name: str) -> float:
        """Return the mean of a policy's worst episodes."""
        return worst_mean(self.returns(name))

    def better(self, name: str, other: str) -> float:
        """Return the share of episodes in which a policy earns more than another, ties half."""
        return share_better(self.returns(name), self.returns(other))

    def means(self, name: str) -> dict[str, float]:
        """Return the means of a policy's totals."""
        return {total: float(values.mean()) for total, values in self.played[name].items()}

    def totals(self, name: str) -> Totals:
        """Return the totals of every episode of a policy."""
        return self.played[name]


@dataclass(frozen=True, eq=False)
class Part:
    """What is kept of a chunk.

    Attributes
    ----------
    moments : Moments
        Of control variates, the reference in hindsight if it has values, and the returns.
    sums : dict
        By policy and total, its sum.
    ahead : ndarray
        In how many episodes the policy of the row earns more than that of the column, ties half,
        shape (policies, policies).
    returns : ndarray
        Shape (episodes, policies).
    reference : Reference or None
        In hindsight, that of these episodes.
    totals : mapping
        All totals, where they are to be held.
    """

    moments: Moments
    sums: dict[str, dict[str, float]]
    ahead: Values
    returns: Values
    reference: Reference | None
    totals: Mapping[str, Totals]


@dataclass(frozen=True)
class Summary:
    """Makes a `Part` of a chunk.

    Attributes
    ----------
    play : Play
        What is played.
    measure : str
        As in `evaluation.comparison.compare`.
    hindsight : callable or None
        The reference, where it depends on the traces.
    paired : bool
        Whether it has a value for every episode.
    hold : bool
        Whether all totals are to be held.
    """

    play: Play
    measure: str
    hindsight: FindReference | None
    paired: bool
    hold: bool

    def __call__(self, trace: Trace, totals: dict[str, Totals]) -> Part:
        """Return what is kept of a chunk."""
        reference = None if self.hindsight is None else self.hindsight(trace)
        return self.part(trace, totals, reference)

    def part(self, trace: Trace, totals: dict[str, Totals], reference: Reference | None) -> Part:
        """Return what is kept of a chunk whose reference is known."""
        own = {name: with_return(values, self.measure) for name, values in totals.items()}
        returns = np.column_stack([values["return"] for values in own.values()])
        columns = [self.play.problem.covariates(self.play.parameters, trace)]
        if self.paired and reference is not None:
            known = reference.value if reference.values is None else reference.values
            columns.append(np.broadcast_to(known, len(returns))[:, None])
        above = returns[:, :, None] > returns[:, None, :]
        even = returns[:, :, None] == returns[:, None, :]
        return Part(
            Moments.of(np.column_stack([*columns, returns])),
            {n: {t: float(values.sum()) for t, values in one.items()} for n, one in own.items()},
            above.sum(axis=0) + 0.5 * even.sum(axis=0),
            returns,
            reference,
            own if self.hold else {},
        )


class Tail:
    """The lowest values of a stream whose length is known beforehand.

    Parameters
    ----------
    length : int
        Of the stream.
    share : float
        Of it that is kept.
    """

    def __init__(self, length: int, share: float = WORST_SHARE) -> None:
        self._length, self._share = length, share
        self._most = math.ceil(share * length)
        self._kept: list[Values] = []

    def add(self, values: Values) -> None:
        """Take more values."""
        self._kept.append(values)
        if sum(part.size for part in self._kept) > 1.25 * self._most + values.size:
            self._kept = [self._lowest()]

    def _lowest(self) -> Values:
        kept = np.concatenate(self._kept)
        return np.partition(kept, self._most)[: self._most] if kept.size > self._most else kept

    def mean(self) -> float:
        """Return the mean of that share of all values."""
        return worst_mean(self._lowest(), self._share, of=self._length)


class MergedEpisodes:
    """A sample of chunks, of which sums, cross products and the worst returns are kept.

    Parameters
    ----------
    names : tuple of str
        The policies.
    episodes : int
        How many there are in all.
    first : Part
        The first chunk.
    reference : Reference or None
        Its reference.
    """

    def __init__(
        self, names: tuple[str, ...], episodes: int, first: Part, reference: Reference | None
    ) -> None:
        self.names, self._paired = names, reference is not None and reference.values is not None
        self.reference = reference and replace(reference, values=None)
        self._tails = {name: Tail(episodes) for name in names}
        self._moments, self._ahead = first.moments, first.ahead
        self._sums = {name: dict(sums) for name, sums in first.sums.items()}
        self._bounds: list[tuple[float, int]] = []
        self._held: list[Mapping[str, Totals]] = []
        self._keep(first)

    def add(self, part: Part) -> None:
        """Take the next chunk."""
        self._moments = self._moments.merged(part.moments)
        self._ahead = self._ahead + part.ahead
        for name, sums in part.sums.items():
            for total, value in sums.items():
                self._sums[name][total] += value
        self._keep(part)

    def _keep(self, part: Part) -> None:
        for name, values in zip(self.names, part.returns.T, strict=True):
            self._tails[name].add(values.copy())
        if part.totals:
            self._held.append(part.totals)
        if part.reference is not None:
            self._bounds.append((part.reference.value, len(part.returns)))
            total = sum(value * count for value, count in self._bounds)
            value = total / sum(count for _, count in self._bounds)
            self.reference = self.reference and replace(self.reference, value=value)

    @property
    def _covariates(self) -> int:
        """How many columns are control variates."""
        return len(self._moments.mean) - len(self.names) - self._paired

    @property
    def usable(self) -> NDArray[np.intp]:
        """The control variates that means use."""
        return merged_covariates(self._moments, self._covariates)

    @property
    def episodes(self) -> int:
        """How many episodes each plays."""
        return self._moments.count

    def returns(self, name: str) -> Combination:
        """Return what is known of a policy's returns."""
        return self._moments.column(self.names.index(name) - len(self.names))

    def hindsight(self) -> Any:
        """Return what is known of the reference in every episode, or its value."""
        if self._paired:
            return self._moments.column(self._covariates)
        return self.reference and self.reference.value

    def estimate(self, values: Combination) -> Estimate:
        """Return the mean of values."""
        return merged_mean(values, self.usable)

    def worst(self, name: str) -> float:
        """Return the mean of a policy's worst episodes."""
        return self._tails[name].mean()

    def better(self, name: str, other: str) -> float:
        """Return the share of episodes in which a policy earns more than another, ties half."""
        ahead = self._ahead[self.names.index(name), self.names.index(other)]
        return float(ahead) / self.episodes

    def means(self, name: str) -> dict[str, float]:
        """Return the means of a policy's totals."""
        return {total: value / self.episodes for total, value in self._sums[name].items()}

    def totals(self, name: str) -> Totals:
        """Return the totals of every episode of a policy, where they are held."""
        if not self._held:
            return {}
        parts = [part[name] for part in self._held]
        return {total: np.concatenate([p[total] for p in parts]) for total in parts[0]}


def merge_chunks(
    summary: Summary,
    first: Part,
    reference: Reference | None,
    workers: Workers = HERE,
    progress: Callable[[float], None] | None = None,
) -> MergedEpisodes:
    """Play all chunks but the first, and merge them in their order.

    Parameters
    ----------
    summary : Summary
        Makes the parts.
    first, reference : Part, Reference or None
        The first chunk and its reference.
    workers : Workers
        Who plays; nothing depends on it.
    progress : callable, optional
        Called with the share that is done.
    """
    play = summary.play
    merged = MergedEpisodes(tuple(play.policies), play.episodes, first, reference)
    for part in iterate_chunks(play, summary, workers, first=1, progress=progress):
        merged.add(part)
    return merged
