"""The smallest run with checkpoints, whose folder is what tests are about."""

from agents.config import resolve
from training.trainer import train

SMALL = (
    *("timesteps=80", "n_envs=4", "max_steps=5", "n_steps=5", "batch_size=20", "net_arch=[4]"),
    *("evaluation.every=40", "evaluation.episodes=2", "demand_std=0", "checkpoint.every=40"),
)


def train_small(folder):
    return train(resolve({"algo": "ppo"}, assignments=SMALL), folder).folder
