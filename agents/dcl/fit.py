"""Fitting a network of SB3's actor-critic policy to labels."""

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agents.dcl.labels import Labels

STEPS_APART = 2.0
"""Number of steps that change the time as much as other columns usually change: what is best may
differ from one step to the next, above all at the end of an episode."""
CRITIC_SHARE = 4
"""The steps of the actor are this many times those of the value head."""


@dataclass(frozen=True)
class FitSettings:
    """How a network is fitted: Adam with a learning rate that falls to 0 linearly.

    Attributes
    ----------
    steps, batch_size : int
        Minibatches, and states in each.
    learning_rate : float
        The initial learning rate.
    temperature : float
        As in `Labels.temperature`.
    """

    steps: int
    batch_size: int
    learning_rate: float
    temperature: float


@dataclass(frozen=True)
class Fitted:
    """How well the actor fits its labels: cross entropy, and share of states decided as best."""

    loss: float
    accuracy: float


class InputMap:
    """The linear map from observations to the inputs of the fitted layers, ``T x + c``.

    Every column is centred and scaled by the labelled states; running sums of some are added, as
    what matters about a pipeline is how much has arrived by each morning. A network fitted behind
    it becomes a network of the observation itself once its first layer has absorbed the map.

    Parameters
    ----------
    labels : Labels
        Labelled states whose observations it maps.
    """

    def __init__(self, labels: Labels) -> None:
        seen = labels.observations.astype(np.float64)
        size = seen.shape[1]
        rows = np.eye(size)
        if len(labels.sums) > 1:
            sums = np.zeros((len(labels.sums) - 1, size))
            for k in range(1, len(labels.sums)):
                sums[k - 1, list(labels.sums[: k + 1])] = 1.0
            rows = np.concatenate([rows, sums])
        rows[:, list(labels.unseen)] = 0.0
        mapped = seen @ rows.T
        spread = mapped.std(axis=0)
        scale = np.where(spread > 1e-6, 1.0 / np.maximum(spread, 1e-6), 0.0)
        if labels.clock is not None:
            column, step = labels.clock
            scale[column] = max(scale[column], 1.0 / (STEPS_APART * step))
        self.matrix = torch.as_tensor(rows * scale[:, None], dtype=torch.float64)
        self.shift = torch.as_tensor(-mapped.mean(axis=0) * scale, dtype=torch.float64)

    def __call__(self, observations: NDArray[np.float32]) -> torch.Tensor:
        """Return the inputs of the fitted layers, shape (n, columns)."""
        seen = torch.as_tensor(observations, dtype=torch.float64)
        return (seen @ self.matrix.T + self.shift).float()

    def unfold(self, first: nn.Linear) -> nn.Linear:
        """Return the layer behind the map that is equivalent to `first` without it."""
        weight = first.weight.detach().double() @ torch.linalg.pinv(self.matrix)
        return _linear(weight, first.bias.detach().double() - weight @ self.shift)

    def fold(self, behind: nn.Linear, first: nn.Linear) -> None:
        """Make `first` equivalent to `behind` behind the map."""
        weight = behind.weight.detach().double()
        with torch.no_grad():
            first.weight.copy_(weight @ self.matrix)
            first.bias.copy_(behind.bias.detach().double() + weight @ self.shift)


def _linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer


def fit_actor(
    policy: Any, labels: Labels, settings: FitSettings, seed: int, *, fresh: bool
) -> Fitted:
    """Fit the actor of a policy; `fresh` starts it from random weights, not from its own.

    Parameters
    ----------
    policy : ActorCriticPolicy
        Policy with an MLP as actor.
    labels : Labels
        The states and the best actions.
    settings : FitSettings
        Settings of the fit.
    seed : int
        Seed of initial weights and minibatches.
    fresh : bool
        Whether to start from random weights.
    """
    own = nn.Sequential(*policy.mlp_extractor.policy_net, policy.action_net)
    targets = torch.as_tensor(labels.targets(settings.temperature))

    def loss(out: torch.Tensor, rows: Any) -> torch.Tensor:
        return -(targets[rows] * torch.log_softmax(out, 1)).sum(1)

    inputs = InputMap(labels)
    out = _fit(own, inputs, labels, loss, settings, seed, fresh=fresh)
    weights = torch.as_tensor(labels.weights / labels.weights.sum())
    agree = (out.argmax(1).numpy() == labels.best) @ weights.numpy()
    return Fitted(float(loss(out, slice(None)).double() @ weights), float(agree))


def fit_critic(policy: Any, labels: Labels, settings: FitSettings, seed: int) -> float:
    """Fit the value head to the roll-outs' values; return the share of variance it explains."""
    own = nn.Sequential(*policy.mlp_extractor.value_net, policy.value_net)
    mean, spread = float(labels.values.mean()), max(float(labels.values.std()), 1e-6)
    wanted = torch.as_tensor((labels.values - mean) / spread, dtype=torch.float32)

    def loss(out: torch.Tensor, rows: Any) -> torch.Tensor:
        return (out[:, 0] - wanted[rows]).square()

    few = FitSettings(
        max(1, settings.steps // CRITIC_SHARE), settings.batch_size, settings.learning_rate, 1.0
    )
    out = _fit(own, InputMap(labels), labels, loss, few, seed, fresh=True)
    with torch.no_grad():
        policy.value_net.weight.mul_(spread)
        policy.value_net.bias.mul_(spread).add_(mean)
    return 1.0 - float(loss(out, slice(None)).mean())


def _fit(
    own: nn.Sequential,
    inputs: InputMap,
    labels: Labels,
    loss: Any,
    settings: FitSettings,
    seed: int,
    *,
    fresh: bool,
) -> torch.Tensor:
    """Fit the layers of a network in place; return its outputs for all states."""
    draw = torch.Generator().manual_seed(seed)
    first: Any = own[0]
    layers = nn.Sequential(inputs.unfold(first), *copy.deepcopy(list(own)[1:]))
    if fresh:
        _restart(layers, draw)
    seen = inputs(labels.observations)
    weights = torch.as_tensor(labels.weights / labels.weights.mean(), dtype=torch.float32)
    adam = torch.optim.Adam(layers.parameters(), lr=settings.learning_rate, fused=True)
    (group,) = adam.param_groups
    for step in range(settings.steps):
        group["lr"] = settings.learning_rate * (1.0 - step / settings.steps)
        rows: Any = slice(None)
        if len(seen) > settings.batch_size:
            rows = torch.randint(0, len(seen), (settings.batch_size,), generator=draw)
        adam.zero_grad(set_to_none=True)
        (weights[rows] * loss(layers(seen[rows]), rows)).mean().backward()
        adam.step()
    inputs.fold(layers[0], first)  # type: ignore[arg-type]
    for mine, theirs in zip(list(own)[1:], list(layers)[1:], strict=True):
        mine.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        out: torch.Tensor = layers(seen)
    return out


def _restart(layers: nn.Sequential, draw: torch.Generator) -> None:
    """Give every layer random weights, as torch does by default."""
    for layer in layers:
        if isinstance(layer, nn.Linear):
            bound = 1.0 / math.sqrt(layer.in_features)
            nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5.0), generator=draw)
            nn.init.uniform_(layer.bias, -bound, bound, generator=draw)
