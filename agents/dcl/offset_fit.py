"""Fitting offsets to their costs, and testing whether there is evidence that they save anything.

The network has a single output v, which stands for the offset ``u = R tanh(v)``, R being the
largest one; the offset taken is the one on offer nearest to u. As scores of an actor that takes its
best action these are ``s_k v - c_k`` with rising s_k, so that the network fits SB3's `MlpPolicy`.
The fit minimises the cost at u itself, interpolated between its two neighbours: labels of single
states are mostly noise, and no state tells by itself which offset is best in it.
"""

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agents.dcl.offset_rollouts import BLOCK_DAYS, OffsetLabels, pooled

Floats = NDArray[np.float64]
FOLDS = 5
"""Number of folds of the calendar's blocks, each held out in turn."""
SHARPNESS = 4.0
"""How fast the scores of an actor fall away from its best offset, when it samples offsets."""
CLIP = 3.0
WEIGHT_DECAY = 1e-3
EVALUATIONS = 20
"""Number of times in a fit that held-out blocks are scored; the best weights are kept."""


@dataclass(frozen=True)
class OffsetFitSettings:
    """Settings of AdamW: its rate, falling to 0 linearly, minibatches, and states in each."""

    steps: int
    batch_size: int
    learning_rate: float


@dataclass(frozen=True)
class Evidence:
    """What offsets save on blocks of the calendar that their networks have not seen.

    The days are training days as they were, while networks learn from resampled ones.

    Attributes
    ----------
    saved : float
        Mean saving over blocks, per decision [money per unit of the store's own level].
    t : float
        The saving over its standard error.
    blocks : int
        Number of blocks.
    least : float
        The least t with which offsets are used.
    """

    saved: float
    t: float
    blocks: int
    least: float

    @property
    def used(self) -> bool:
        """Whether the evidence is enough to use offsets."""
        return self.t >= self.least and self.saved > 0.0

    @property
    def sentence(self) -> str:
        """The evidence in a line of plain words."""
        found = f"t = {self.t:.1f} over {self.blocks} blocks of {BLOCK_DAYS} real days held out"
        if self.used:
            return f"offsets to the rule are used: they save on training days, {found}"
        return (
            f"no evidence that offsets save anything, {found} ({self.least:g} is needed): "
            "the policy is exactly the rule"
        )


class OffsetNet:
    """The network of offsets, in the form in which it is fitted.

    Parameters
    ----------
    offsets : tuple of float
        The offsets, rising, with 0 among them.
    layers : Sequential
        Layers from observations, centred and scaled, to v.
    centre, scale : ndarray
        Centre and scale of observations; a scale of 0 hides a column.
    """

    def __init__(
        self, offsets: tuple[float, ...], layers: nn.Sequential, centre: Floats, scale: Floats
    ) -> None:
        self.offsets, self.layers, self.centre, self.scale = offsets, layers, centre, scale
        self._grid = torch.as_tensor(offsets, dtype=torch.float32)
        self.reach = float(max(abs(offset) for offset in offsets))

    def inputs(self, observations: NDArray[np.float32]) -> torch.Tensor:
        """Return the inputs of the layers."""
        seen = (observations.astype(np.float64) - self.centre) * self.scale
        return torch.as_tensor(seen, dtype=torch.float32)

    def cost(self, inputs: torch.Tensor, costs: torch.Tensor) -> torch.Tensor:
        """Return the cost of each state at its u, shape (n,)."""
        u = self.reach * torch.tanh(self.layers(inputs)[:, 0])
        right = torch.searchsorted(self._grid, u.detach().contiguous())
        right = right.clamp(1, len(self._grid) - 1)
        low, high = self._grid[right - 1], self._grid[right]
        share = ((u - low) / (high - low)).clamp(0.0, 1.0)
        left_cost = costs.gather(1, right[:, None] - 1)[:, 0]
        return left_cost * (1.0 - share) + costs.gather(1, right[:, None])[:, 0] * share

    def chosen(self, observations: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the index of each state's offset, shape (n,)."""
        with torch.no_grad():
            v = self.layers(self.inputs(observations))[:, 0].numpy()
        return np.asarray(np.searchsorted(self.thresholds, v), np.int64)

    @property
    def thresholds(self) -> Floats:
        """Values of v at which the nearest offset changes, shape (offsets - 1,)."""
        grid = np.array(self.offsets)
        return np.asarray(np.arctanh((grid[1:] + grid[:-1]) / (2.0 * self.reach)))

    def write_to(self, policy: Any) -> None:
        """Write this network into the actor of an actor-critic policy with one hidden layer."""
        first: Any = self.layers[0]
        last: Any = self.layers[-1]
        own: Any = policy.mlp_extractor.policy_net[0]
        with torch.no_grad():
            scale = torch.as_tensor(self.scale, dtype=torch.float64)
            centre = torch.as_tensor(self.centre, dtype=torch.float64)
            weight = first.weight.double() * scale
            own.weight.copy_(weight)
            own.bias.copy_(first.bias.double() - weight @ centre)
            slope = SHARPNESS * torch.arange(len(self.offsets), dtype=torch.float64)
            falls = np.concatenate([[0.0], np.cumsum(self.thresholds)])
            policy.action_net.weight.copy_(slope[:, None] * last.weight.double())
            bias = slope * last.bias.double() - SHARPNESS * torch.as_tensor(falls)
            policy.action_net.bias.copy_(bias)


def follow_rule(policy: Any, offsets: tuple[float, ...]) -> None:
    """Make an actor take the rule's own order in every state."""
    with torch.no_grad():
        policy.action_net.weight.zero_()
        distance = np.abs(np.arange(len(offsets)) - offsets.index(0.0))
        policy.action_net.bias.copy_(torch.as_tensor(-SHARPNESS * distance))


def follows_rule(policy: Any) -> bool:
    """Return whether an actor does the same in every state, as after `follow_rule`."""
    head = getattr(policy, "action_net", None)
    return head is not None and not bool(head.weight.any())


def learn_offsets(
    policy: Any,
    labels: list[OffsetLabels],
    offsets: tuple[float, ...],
    settings: OffsetFitSettings,
    seed: int,
    found: Evidence,
) -> None:
    """Fit the actor of a policy to labels, or to the rule if there is no evidence.

    Parameters
    ----------
    policy : ActorCriticPolicy
        Policy whose actor has one hidden layer of ReLUs.
    labels : list of OffsetLabels
        Labels by roll-outs of the rule, and possibly of the previous network.
    offsets, settings, seed
        As for `fit_offsets`.
    found : Evidence
        The evidence for offsets.
    """
    if not found.used:
        follow_rule(policy, offsets)
        return
    together = pooled(labels)
    judged = folds_of(together.blocks, seed) == 0
    hidden = hidden_of(policy)
    fit_offsets(together, offsets, hidden, settings, seed, judged).write_to(policy)


def hidden_of(policy: Any) -> int:
    """Return the width of an actor's hidden layer."""
    return int(policy.mlp_extractor.policy_net[0].out_features)


def fit_offsets(
    labels: OffsetLabels,
    offsets: tuple[float, ...],
    hidden: int,
    settings: OffsetFitSettings,
    seed: int,
    judged: NDArray[np.bool_],
) -> OffsetNet:
    """Return the network with the least cost.

    Parameters
    ----------
    labels : OffsetLabels
        Costs of offsets.
    offsets : tuple of float
        The offsets.
    hidden : int
        Width of the hidden layer.
    settings : OffsetFitSettings
        Settings of the fit.
    seed : int
        Seed of initial weights and minibatches.
    judged : ndarray
        States that select the best weights during the fit, and are not fitted to, shape (n,).
    """
    draw = torch.Generator().manual_seed(seed)
    seen = labels.observations.astype(np.float64)
    spread = seen.std(axis=0)
    scale = np.where(spread > 1e-3, 1.0 / (spread + 1e-3), 0.0)
    scale[list(labels.unseen)] = 0.0
    layers = nn.Sequential(nn.Linear(seen.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, 1))
    _restart(layers, draw)
    net = OffsetNet(offsets, layers, seen.mean(axis=0), scale)
    inputs = net.inputs(labels.observations).clamp(-CLIP, CLIP)
    costs = torch.as_tensor(labels.costs, dtype=torch.float32)
    test = torch.as_tensor(judged)
    train = torch.nonzero(~test)[:, 0]
    adam = torch.optim.AdamW(
        layers.parameters(), lr=settings.learning_rate, weight_decay=WEIGHT_DECAY
    )
    falling = torch.optim.lr_scheduler.LambdaLR(adam, lambda k: 1.0 - k / (settings.steps + 1))
    best, kept = 0.0, copy.deepcopy(layers.state_dict())
    every = max(1, settings.steps // EVALUATIONS)
    for step in range(1, settings.steps + 1):
        rows = train[torch.randint(0, len(train), (settings.batch_size,), generator=draw)]
        adam.zero_grad(set_to_none=True)
        loss: Any = net.cost(inputs[rows], costs[rows]).mean()
        loss.backward()
        adam.step()
        falling.step()
        if step % every == 0:
            with torch.no_grad():
                value = float(net.cost(inputs[test], costs[test]).mean())
            if value < best:
                best, kept = value, copy.deepcopy(layers.state_dict())
    layers.load_state_dict(kept)
    return net


def _restart(layers: nn.Sequential, draw: torch.Generator) -> None:
    """Give the hidden layer random weights, and the output zeros: u begins at the rule."""
    first: Any = layers[0]
    bound = first.in_features**-0.5
    with torch.no_grad():
        nn.init.uniform_(first.weight, -bound, bound, generator=draw)
        nn.init.uniform_(first.bias, -bound, bound, generator=draw)
        for values in layers[-1].parameters():
            values.zero_()


def folds_of(blocks: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the fold of each state, shape (n,): whole calendar blocks, assigned at random."""
    known, at = np.unique(blocks, return_inverse=True)
    return (np.random.default_rng(seed).permutation(known.size) % FOLDS)[at]


def evidence(
    labels: OffsetLabels,
    real: OffsetLabels,
    offsets: tuple[float, ...],
    hidden: int,
    settings: OffsetFitSettings,
    seed: int,
    least: float,
) -> Evidence:
    """Return what offsets save on days as they were, holding out a fifth of the blocks in turn.

    Parameters
    ----------
    labels : OffsetLabels
        Labels that the networks are fitted to.
    real : OffsetLabels
        Labels that they are judged by.
    offsets, hidden, settings, seed
        As for `fit_offsets`.
    least : float
        `Evidence.least`.
    """
    both = folds_of(np.concatenate([labels.blocks, real.blocks]), seed)
    fold, judged_fold = both[: len(labels.blocks)], both[len(labels.blocks) :]
    saved = np.zeros(len(real.blocks))
    for k in range(FOLDS):
        some, rows = fold != k, np.flatnonzero(judged_fold == k)
        judged = fold[some] == (k + 1) % FOLDS
        if not rows.size or judged.all():  # so few blocks that nothing is left to fit to
            continue
        part = replace(
            labels,
            observations=labels.observations[some],
            costs=labels.costs[some],
            values=labels.values[some],
            blocks=labels.blocks[some],
        )
        net = fit_offsets(part, offsets, hidden, settings, seed + k, judged)
        saved[rows] = -real.costs[rows, net.chosen(real.observations[rows])]
    known = np.unique(real.blocks)
    means = np.array([saved[real.blocks == block].mean() for block in known])
    mean = float(means.mean())
    from scipy import stats  # here: slow to import

    error = float(stats.sem(means)) if known.size > 1 else 0.0
    return Evidence(mean, mean / error if error > 0 else 0.0, known.size, least)
