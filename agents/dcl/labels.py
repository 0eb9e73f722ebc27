"""Results of roll-outs: which action is best in a state, by how much, and how certain that is."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_GAIN = 0.02
"""Share of what is at stake that a change of action must be worth."""
STAKES = 0.9
"""What is at stake is this quantile of the losses of each state's worst action."""
FAMILIAR_SHARE = 0.25
"""Total weight of states without roll-outs, as a share of that of states with roll-outs."""


@dataclass(frozen=True, eq=False)
class Labels:
    """States of one generation, and the results of their roll-outs.

    Attributes
    ----------
    observations : ndarray
        Observations, not normalised, shape (n, size).
    losses : ndarray
        How much worse each action is than the best [reward], shape (n, actions); infinite for one
        that was never a candidate.
    weights : ndarray
        Weight of each state, shape (n,).
    values : ndarray
        Expected return from each state under the policy that was rolled out, shape (n,).
    certain : ndarray
        Whether no other action came within the standard errors of the best one, shape (n,).
    steps : int
        Number of simulated steps of worlds.
    sums : tuple of int
        Columns of `observations` whose running sums are informative too, such as a pipeline's.
    unseen : tuple of int
        Columns hidden from the policy.
    clock : tuple, optional
        The column of the time, and the amount by which a step changes it.
    familiar : tuple of ndarray, optional
        Further states that were visited but not rolled out: observations, shape (m, size), and the
        policy's actions in them, shape (m,).
    """

    observations: NDArray[np.float32]
    losses: Floats
    weights: Floats
    values: Floats
    certain: NDArray[np.bool_]
    steps: int
    sums: tuple[int, ...] = ()
    unseen: tuple[int, ...] = ()
    clock: tuple[int, float] | None = None
    familiar: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None

    @property
    def rewards(self) -> Floats:
        """The values, by the name under which a buffer's callbacks look for them."""
        return self.values

    @property
    def best(self) -> NDArray[np.int64]:
        """Index of the best action of each state, shape (n,)."""
        return np.asarray(self.losses.argmin(axis=1), np.int64)

    def temperature(self, share: float) -> float:
        """Return `share` of the median distance from the best action to the second best.

        Only actions with different outcomes count, so that states where no action matters do not
        make it 0.
        """
        second = np.sort(self.losses, axis=1)[:, 1] if self.losses.shape[1] > 1 else np.zeros(1)
        telling = second[np.isfinite(second) & (second > 0.0)]
        return share * float(np.median(telling)) if telling.size else 1.0

    def targets(self, share: float) -> NDArray[np.float32]:
        """Return probabilities ``softmax(-losses / temperature)``, shape (n, actions)."""
        chances = np.exp(-self.losses / self.temperature(share))
        chances /= chances.sum(axis=1, keepdims=True)
        return chances.astype(np.float32)


def only(actions: NDArray[np.int64], count: int) -> Floats:
    """Return losses, shape (n, count), by which `actions`, shape (n,), are the only good ones."""
    losses = np.full((len(actions), count), np.inf)
    losses[np.arange(len(actions)), actions] = 0.0
    return losses


def imitation(labels: Labels, actions: NDArray[np.int64]) -> Labels:
    """Return the same states with `actions`, shape (n,), as the only good ones.

    States that were visited but not rolled out count as much as the others: the policy's own action
    is as certain there.
    """
    losses = only(actions, labels.losses.shape[1])
    same = replace(labels, losses=losses, certain=np.ones(len(losses), np.bool_))
    return with_familiar(same, 1.0)


def with_familiar(labels: Labels, weight: float) -> Labels:
    """Return labels with the states that were visited but not rolled out, each of this weight."""
    if labels.familiar is None:
        return labels
    seen, actions = labels.familiar
    more = replace(
        labels,
        observations=seen,
        losses=only(actions, labels.losses.shape[1]),
        weights=np.full(len(seen), weight),
        values=np.full(len(seen), np.nan),
        certain=np.ones(len(seen), np.bool_),
        steps=0,
    )
    return replace(joined([labels, more]), familiar=None)


def anchored(labels: Labels) -> Labels:
    """Return labels with the further states, so that a network keeps its actions in these.

    Together they weigh `FAMILIAR_SHARE` of the others: an action that is certainly better wins.
    """
    if labels.familiar is None:
        return labels
    total = FAMILIAR_SHARE * float(labels.weights.sum())
    return with_familiar(labels, total / len(labels.familiar[1]))


def cautious(
    labels: Labels,
    own: NDArray[np.int64],
    unsure: NDArray[np.bool_],
    least_gain: float = LEAST_GAIN,
) -> Labels:
    """Return the same labels with the policy's own action unless there is evidence against it.

    That is where no other action is certainly better, or better by less than a share of what is at
    stake. An action may make nearly no difference once, such as waiting a single step, although a
    policy that took it in every state would lose much.

    Parameters
    ----------
    labels : Labels
        The labels.
    own : ndarray
        The policy's own actions, shape (n,).
    unsure : ndarray
        States in which no action is certainly better, shape (n,).
    least_gain : float
        That share of what is at stake.
    """
    finite = np.where(np.isfinite(labels.losses), labels.losses, 0.0)
    gain = labels.losses[np.arange(len(own)), own]
    keeps = unsure | (gain <= least_gain * float(np.quantile(finite.max(axis=1), STAKES)))
    losses = labels.losses.copy()
    losses[keeps] = only(own[keeps], losses.shape[1])
    return replace(labels, losses=losses)


def joined(parts: list[Labels]) -> Labels:
    """Return the labels of all parts, in their order."""
    return replace(
        parts[0],
        observations=np.concatenate([part.observations for part in parts]),
        losses=np.concatenate([part.losses for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        certain=np.concatenate([part.certain for part in parts]),
        steps=sum(part.steps for part in parts),
    )
