"""A replay buffer that standardises the rewards of each minibatch it gives out."""

from typing import Any

from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples


class StandardizedReplayBuffer(ReplayBuffer):
    """Replay buffer whose samples have rewards of mean 0 and deviation 1 within the minibatch.

    What the buffer stores is unchanged. The scale that the learner sees follows the minibatch, so
    action values are comparable within a state only; it is part of the original recipe.
    """

    def sample(self, *args: Any, **kwargs: Any) -> ReplayBufferSamples:
        """Draw a minibatch as SB3 does, with standardised rewards."""
        batch = super().sample(*args, **kwargs)
        rewards = batch.rewards
        spread = rewards.std(correction=0) + 1e-8
        return batch._replace(rewards=(rewards - rewards.mean()) / spread)
