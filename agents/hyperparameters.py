"""Hyperparameters of each algorithm, with SB3's names; ranges are checked, unknown keys refused."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from common.errors import FrozenModel

Positive = Annotated[float, Field(gt=0, le=1e6)]
NonNegative = Annotated[float, Field(ge=0, le=1e6)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=100_000_000)]
Rounds = Annotated[
    tuple[Annotated[int, Field(ge=1, le=8192)], ...], Field(min_length=1, max_length=12)
]


BY_LEAD_TIME = "by_lead_time"


def discount_of(lead_time: int) -> float:
    """Return the gamma that ``by_lead_time`` stands for.

    The effect of an order is seen from its arrival on, after the lead time L: a gamma of 0.8 leaves
    two thirds of rewards 2 days ahead and a fifth of those 7 days ahead. Gamma is
    ``1 - 1.8 / (L + 1)^2`` from L = 2 on, at most 0.99.

    >>> [discount_of(days) for days in (0, 2, 4, 7, 30)]
    [0.8, 0.8, 0.93, 0.97, 0.99]
    """
    return min(round(1.0 - 1.8 / (max(lead_time, 2) + 1) ** 2, 2), 0.99)


class Hyperparameters(FrozenModel):
    """Hyperparameters that all algorithms share.

    `gamma` may be ``by_lead_time`` in a recipe of the stores (`discount_of`).
    """

    learning_rate: Positive = 3e-4
    learning_rate_final: Annotated[
        NonNegative | None, Field(description="reached linearly at the end of training")
    ] = None
    gamma: Share = 0.99
    net_arch: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(max_length=8)] = (
        64,
        64,
    )
    activation: Literal["relu", "tanh"] = "relu"


class OnPolicy(Hyperparameters):
    """Shared by the on-policy algorithms; `n_steps` counts steps of each world per rollout.

    `initial_order` says what an untrained policy of the supply chain orders: all quantities with
    equal chance, or quantities near the mean demand (`agents.models`).
    """

    n_steps: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    gae_lambda: Share = 0.95
    initial_order: Literal["none", "mean"] = "none"


class A2C(OnPolicy):
    """Advantage actor-critic (Mnih et al. 2016)."""

    ent_coef: NonNegative = 0.0
    ent_coef_final: Annotated[
        NonNegative | None, Field(description="reached linearly at the end of training")
    ] = None
    vf_coef: NonNegative = 0.5
    max_grad_norm: Positive = 0.5
    normalize_advantage: bool = False
    use_rms_prop: bool = True


class PPO(OnPolicy):
    """Proximal policy optimisation (Schulman et al. 2017)."""

    batch_size: Annotated[int, Field(ge=2, le=1_000_000)] = 64
    n_epochs: Annotated[int, Field(ge=1, le=1000)] = 10
    clip_range: Positive = 0.2
    ent_coef: NonNegative = 0.0
    ent_coef_final: Annotated[
        NonNegative | None, Field(description="reached linearly at the end of training")
    ] = None
    vf_coef: NonNegative = 0.5
    max_grad_norm: Positive = 0.5
    normalize_advantage: bool = True


class RecurrentPPO(PPO):
    """PPO with a recurrent policy."""

    lstm_hidden_size: Annotated[int, Field(ge=1, le=4096)] = 64


class TRPO(OnPolicy):
    """Trust region policy optimisation (Schulman et al. 2015)."""

    batch_size: Annotated[int, Field(ge=2, le=1_000_000)] = 128
    target_kl: Positive = 0.01
    n_critic_updates: Annotated[int, Field(ge=1, le=1000)] = 10
    cg_max_steps: Annotated[int, Field(ge=1, le=1000)] = 15
    normalize_advantage: bool = True


class DQN(Hyperparameters):
    """Deep Q-network (Mnih et al. 2015)."""

    buffer_size: Count = 50_000
    learning_starts: Annotated[int, Field(ge=0, le=100_000_000)] = 1_000
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    tau: Annotated[float, Field(gt=0, le=1)] = 1.0
    train_freq: Count = 1
    gradient_steps: Annotated[int, Field(ge=-1, le=10_000)] = 1
    target_update_interval: Count = 1_000
    n_steps: Annotated[int, Field(ge=1, le=1000, description="of n-step returns")] = 1
    exploration_fraction: Annotated[float, Field(gt=0, le=1)] = 0.3
    exploration_initial_eps: Share = 1.0
    exploration_final_eps: Share = 0.05
    max_grad_norm: Positive = 10.0


class QRDQN(DQN):
    """Quantile-regression DQN (Dabney et al. 2018)."""

    n_quantiles: Annotated[int, Field(ge=1, le=1000)] = 25


class DCL(Hyperparameters):
    """Deep controlled learning (Temizoz et al. 2025); see `agents.dcl.algorithm.DCL`.

    A step of `timesteps` is a labelled state, so there are ``timesteps / n_states`` generations,
    the first of which imitates the rule that learning begins with.
    """

    learning_rate: Positive = 3e-3
    gamma: Share = 1.0
    n_states: Annotated[int, Field(ge=2, le=1_000_000)] = 4_000
    paths: Rounds = (32, 64, 128, 256, 512)
    keep: Rounds = (10, 5, 3, 2, 2)
    standard_errors: Positive = 3.0
    rollout_horizon: Annotated[int, Field(ge=1, le=100_000)] = 150
    temperature: Positive = 0.75
    least_gain: Share | None = 0.02
    moved_share: Share = 0.15
    moved_by: Annotated[int, Field(ge=1, le=1000)] = 2
    least_evidence: Annotated[float, Field(ge=-1000, le=1000, description="of offsets")] = 1.0
    fit_steps: Annotated[int, Field(ge=1, le=1_000_000)] = 1_500
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 512
    workers: Annotated[int, Field(ge=1, le=1024, description="threads; same result")] = 1

    @model_validator(mode="after")
    def _rounds_agree(self) -> "DCL":
        if len(self.paths) != len(self.keep):
            raise ValueError(f"keep must have as many numbers as paths, {len(self.paths)}")
        return self
