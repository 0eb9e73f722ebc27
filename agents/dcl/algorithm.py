"""Deep controlled learning as an algorithm of Stable-Baselines3."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from agents.dcl.fit import FitSettings, Fitted, fit_actor, fit_critic
from agents.dcl.halving import Halving
from agents.dcl.labels import LEAST_GAIN, Labels, anchored, imitation
from agents.dcl.offset_fit import (
    Evidence,
    OffsetFitSettings,
    evidence,
    follow_rule,
    follows_rule,
    hidden_of,
    learn_offsets,
)
from agents.dcl.offset_rollouts import OffsetLabeller, OffsetLabels, OffsetSearch
from agents.dcl.rollouts import SEVERAL_DECISIONS, BatchLabeller, Search, player_of
from agents.dcl.store_rollouts import StoreLabeller, Visits, compiled_store
from baselines.policy import Policy
from baselines.rules.stock_rule import StockLevels
from common.errors import InputError
from envs.batch import Batch
from wrappers.normalize import encode
from wrappers.single_agent import ControlledAgents
from wrappers.vec_env import batch_of

RuleMaker = Callable[[], Policy | None]
_OF_LEARNING = ("_labeller", "_known", "_known_of_rule", "evidence")
ONE_LAYER = "offsets are learned by one hidden layer of ReLUs; set net_arch=[16] activation=relu"
COMPILED_LAYERS = 2
"""Number of hidden layers of a network that the compiled roll-outs support."""


class DCL(BaseAlgorithm):
    """Deep controlled learning: approximate policy iteration with roll-outs and a classifier.

    A step of `num_timesteps` is a labelled state, so a generation takes `n_states` of them.
    Generation 0 imitates the rule that learning begins with; the roll-outs of generation 1 follow
    that rule itself, those of each later one the network of the generation before.
    The policy is SB3's `ActorCriticPolicy`, so that ``PPO.load`` opens what `save` writes.

    Parameters
    ----------
    policy : str or type
        ``"MlpPolicy"``.
    env : VecEnv
        A `wrappers.vec_env.BatchVecEnv`, wrapped or not: its batch can be copied.
    learning_rate : float
        Initial learning rate of each fit, falling to 0 linearly.
    n_states : int
        Number of states of a generation.
    paths, keep : tuple of int
        Paths per action in each round of sequential halving, and most actions kept after it.
    standard_errors : float
        Actions worse than the best by more than this many standard errors are dropped.
    rollout_horizon : int
        Longest path after an action takes effect, as an order does when it arrives [steps];
        compiled roll-outs take it as the longest path in all.
    temperature : float
        Labels are ``softmax(-loss / T)``, T being this factor times the median distance of the
        second best action from the best one.
    least_gain : float, optional
        A label differs from the policy's own action only where another is significantly better, and
        by more than this share of what is at stake. None takes labels as roll-outs give them: where
        gains are many and small, none of them is significant, and the network finds their mean.
    moved_share, moved_by : float, int
        Share of actions that are moved on the way to states, for exploration, and by how many at
        most.
    fit_steps, batch_size : int
        Minibatches of a fit, and states in each.
    gamma : float
        Discount factor of roll-outs; 1 gives their plain sum.
    least_evidence : float
        For stores that choose offsets to a rule: the least t-statistic, over held-out blocks of the
        calendar, of what offsets save on days as they were; with less the policy stays exactly the
        rule.
    workers : int
        Threads that label; the result does not depend on it.
    rule : callable, optional
        Returns the policy to begin with; by default it is the network as it is.
    policy_kwargs, tensorboard_log, verbose, seed, device
        As for all algorithms of SB3.

    References
    ----------
    Temizoz, Imdahl, Dijkman, Lamghari-Idrissi, van Jaarsveld (2025), Deep controlled learning for
    inventory control, European Journal of Operational Research 324(1).
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"MlpPolicy": ActorCriticPolicy}
    policy: ActorCriticPolicy

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: GymEnv | str | None,
        learning_rate: float | Schedule = 3e-3,
        n_states: int = 4000,
        paths: tuple[int, ...] = (32, 64, 128, 256, 512),
        keep: tuple[int, ...] = (10, 5, 3, 2, 2),
        standard_errors: float = 3.0,
        rollout_horizon: int = 150,
        temperature: float = 0.75,
        least_gain: float | None = LEAST_GAIN,
        moved_share: float = 0.15,
        moved_by: int = 2,
        fit_steps: int = 1500,
        batch_size: int = 512,
        gamma: float = 1.0,
        least_evidence: float = 1.0,
        workers: int = 1,
        rule: RuleMaker | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        super().__init__(
            policy=policy,
            env=env,
            learning_rate=learning_rate,
            policy_kwargs=policy_kwargs,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            support_multi_env=True,
            seed=seed,
        )
        if env is not None and not isinstance(self.action_space, spaces.Discrete):
            raise InputError(SEVERAL_DECISIONS)
        if len(paths) != len(keep):
            raise InputError(f"keep: must have as many numbers as paths, {len(paths)}")
        self.n_states, self.batch_size, self.fit_steps = n_states, batch_size, fit_steps
        self.paths, self.keep, self.standard_errors = tuple(paths), tuple(keep), standard_errors
        self.rollout_horizon, self.gamma = rollout_horizon, gamma
        self.temperature, self.moved_share, self.moved_by = temperature, moved_share, moved_by
        self.workers, self.rule, self.least_evidence = workers, rule, least_evidence
        self.evidence: Evidence | None = None
        self.least_gain = least_gain
        self._starting_rule: Policy | None = None
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        made: Any = self.policy_class(
            self.observation_space,
            self.action_space,
            self.lr_schedule,
            use_sde=False,
            **self.policy_kwargs,
        )
        self.policy = made.to(self.device)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "rule", "_starting_rule", *_OF_LEARNING]

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy", "policy.optimizer"], []

    @property
    def generation(self) -> int:
        """The generation to learn next."""
        return self.num_timesteps // self.n_states

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "DCL",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Learn generation by generation until `total_timesteps` states are labelled.

        Parameters
        ----------
        total_timesteps : int
            Number of states to label.
        callback, tb_log_name, reset_num_timesteps, progress_bar
            As for all algorithms of SB3. Callbacks are called once per generation, and their
            ``locals`` hold its labels as ``rollout_buffer``.
        log_interval : int
            Number of generations between lines of the log.
        """
        total_timesteps, callback = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        self._labeller = self._make_labeller()
        self._known: dict[int, tuple[Labels, NDArray[np.int64], float]] = {}
        self._known_of_rule: OffsetLabels | None = None
        callback.on_training_start({"total_timesteps": total_timesteps}, {})
        going = True
        while going and self.num_timesteps < total_timesteps:
            callback.on_rollout_start()
            number, labels = self.generation, self._next_generation()
            callback.update_locals({"rollout_buffer": labels, "infos": [], "dones": np.zeros(0)})
            callback.on_rollout_end()
            going = callback.on_step()
            if number % log_interval == 0:
                self.dump_logs()
        callback.on_training_end()
        return self

    def dump_logs(self) -> None:
        """Write a line of the log."""
        self.logger.record("time/total_timesteps", self.num_timesteps, exclude="tensorboard")
        self.logger.dump(self.num_timesteps)

    def _next_generation(self) -> Labels | OffsetLabels:
        """Label states and fit the network to them, or to the rule in generation 0."""
        if isinstance(self._labeller, OffsetLabeller):
            return self._next_offsets(self._labeller)
        number = self.generation
        rule = self.starting_rule() if number <= 1 else None
        seed = self._seed_of(max(number, 1) if rule is not None else number)
        labels, own, seconds = self._label(rule, seed)
        imitates = rule is not None and number == 0
        wanted = imitation(labels, own) if imitates else self._wanted(labels)
        settings = self._fit_settings()
        fitted = fit_actor(self.policy, wanted, settings, seed, fresh=number == 0)
        explained = fit_critic(self.policy, labels, settings, seed)
        self._record(labels, seconds, fitted)
        self.logger.record("train/explained_variance", explained)
        self.num_timesteps += self.n_states
        self._n_updates += 1
        return labels

    def _fit_settings(self) -> FitSettings:
        rate = self.lr_schedule(1.0)
        return FitSettings(self.fit_steps, self.batch_size, rate, self.temperature)

    def _next_offsets(self, labeller: OffsetLabeller) -> OffsetLabels:
        """Learn offsets from their costs relative to the rule, and to the present network.

        Generation 0 is the rule itself. The network of generation 1 is fitted to roll-outs of the
        rule, that of each later one to these and to roll-outs of the previous network.
        """
        number, begun = self.generation, time.perf_counter()
        learned = number > 1 and not follows_rule(self.policy)
        labels = [self._of_rule(labeller)]
        if learned:
            labels.append(labeller.label(self.policy, self._seed_of(number)))
        settings = OffsetFitSettings(self.fit_steps, self.batch_size, self.lr_schedule(1.0))
        if number == 0:
            follow_rule(self.policy, labeller.offsets)
        else:
            self.evidence = self.evidence or evidence(
                labels[0],
                labeller.on_real_days().label(None, self._seed_of(1)),
                labeller.offsets,
                hidden_of(self.policy),
                settings,
                self._seed_of(1),
                self.least_evidence,
            )
            how = (labeller.offsets, settings, self._seed_of(number), self.evidence)
            learn_offsets(self.policy, labels, *how)
            self.logger.record("dcl/evidence", self.evidence.t)
            self.logger.record("dcl/saved", self.evidence.saved)
        explained = fit_critic(self.policy, labels[-1].with_losses(), self._fit_settings(), number)
        self.logger.record("train/explained_variance", explained)
        seconds = time.perf_counter() - begun
        self.logger.record("dcl/generation", number)
        self.logger.record("dcl/states", sum(len(part.values) for part in labels))
        self.logger.record("dcl/steps", labels[-1].steps)
        self.logger.record("dcl/steps_per_second", labels[-1].steps / max(seconds, 1e-9))
        self.num_timesteps += self.n_states
        self._n_updates += 1
        return labels[-1]

    def _of_rule(self, labeller: OffsetLabeller) -> OffsetLabels:
        """Return labels by roll-outs of the rule, computed once."""
        if self._known_of_rule is None:
            self._known_of_rule = labeller.label(None, self._seed_of(1))
        return self._known_of_rule

    def _wanted(self, labels: Labels) -> Labels:
        """Return the labels for a network, which keeps its own action where no roll-out speaks."""
        return replace(labels, familiar=None) if self.least_gain is None else anchored(labels)

    def _record(self, labels: Labels, seconds: float, fitted: Fitted) -> None:
        """Log a generation, before `generation` is incremented."""
        self.logger.record("dcl/generation", self.generation)
        self.logger.record("dcl/states", len(labels.weights))
        self.logger.record("dcl/certain", float(labels.certain.mean()))
        self.logger.record("dcl/steps", labels.steps)
        self.logger.record("dcl/steps_per_second", labels.steps / max(seconds, 1e-9))
        self.logger.record("train/loss", fitted.loss)
        self.logger.record("train/accuracy", fitted.accuracy)

    def _label(self, rule: Policy | None, seed: int) -> tuple[Labels, NDArray[np.int64], float]:
        """Return labels, the policy's actions in their states, and seconds; for a rule only once.

        Generations 0 and 1 learn from the same states: from the rule's actions in them, and from
        better ones.
        """
        if seed not in self._known:
            begun = time.perf_counter()
            assert not isinstance(self._labeller, OffsetLabeller)  # noqa: S101
            labels, own = self._labeller.label(self.policy, rule, seed)
            self._known = {seed: (labels, own, time.perf_counter() - begun)}
        return self._known[seed]

    def starting_rule(self) -> Policy | None:
        """Return the policy to begin with, made on first use."""
        if callable(self.rule):
            self._starting_rule, self.rule = self.rule(), None
        return self._starting_rule

    def _seed_of(self, generation: int) -> int:
        sequence = np.random.SeedSequence(self.seed or 0, spawn_key=(generation,))
        return int(sequence.generate_state(1, np.uint32)[0]) + 1

    def _make_labeller(self) -> BatchLabeller | StoreLabeller | OffsetLabeller:
        """Return the labeller of states, compiled if it supports the batch's store."""
        env = self.env
        assert isinstance(env, VecEnv)  # noqa: S101  (narrows SB3's union)
        batch = batch_of(env)
        if isinstance(batch, ControlledAgents) and batch.offsets is not None:
            layers = list(self.policy.mlp_extractor.policy_net)
            if len(layers) != 2 or not isinstance(layers[1], nn.ReLU):
                raise InputError(ONE_LAYER)
            counts = (self.n_states, self.paths[0], self.moved_share, self.workers)
            return OffsetLabeller(batch, OffsetSearch(*counts), lambda seen: encode(env, seen))
        halving = Halving(self.paths, self.keep, self.standard_errors)
        store = compiled_store(batch) if self._is_small(batch) else None
        if store is not None and isinstance(batch, ControlledAgents):
            visits = Visits(self.n_states, self.moved_share, self.moved_by)
            return StoreLabeller(batch, store, visits, halving, self.rollout_horizon, self.workers)
        search = Search(
            self.n_states,
            self.moved_share,
            self.moved_by,
            self.least_gain,
            halving,
            self.rollout_horizon + _delay(batch),
            self.gamma,
            self.workers,
        )
        return BatchLabeller(batch, search, lambda seen: encode(env, seen))

    def _is_small(self, batch: Batch) -> bool:
        """Whether the compiled roll-outs support the network, and the rule while it decides."""
        layers = list(self.policy.mlp_extractor.policy_net)
        relu = all(isinstance(layer, nn.ReLU) for layer in layers[1::2])
        if len(layers) != 2 * COMPILED_LAYERS or not relu or self.gamma != 1.0:
            return False
        rule = self.starting_rule() if self.generation <= 1 else None
        return rule is None or isinstance(player_of(rule, batch), StockLevels)


def _delay(batch: Batch) -> int:
    """Return the longest time from an order, or from the next possible one, to arrival [steps]."""
    if not isinstance(batch, ControlledAgents):
        return 0
    p, tier = batch.parameters, batch.player.partition("_")[0]
    if tier == "warehouse":
        return max(int(p.supplier_lead_time(lane)) for lane in p.lanes())
    if tier == "store":
        stores = [lane.store for lane in p.lanes()]
        return max(int(one.lead_time + max(one.review_gaps) - 1) for one in stores)
    return 0
