"""RLlib's PPO on the cash problem, with the wrappers of our own recipe.

::

    pip install -e '.[rllib]'
    python -m examples.rllib_ppo
"""

import sys
from typing import Any

import gymnasium

import envs
from wrappers.gymnasium_env import ScaleObservation, ScaleReward, StepNumber


def make_env(config: Any) -> gymnasium.Env[Any, Any]:
    """Return the environment that RLlib learns in: what `config` has are its parameters."""
    envs.register_environments()
    env = StepNumber(ScaleObservation(gymnasium.make("CashInventory-v0", **config)))
    return ScaleReward(env, shift=45.0, scale=0.04)


def main(iterations: int) -> float:
    """Train, and return the mean return of the last episodes, shifted and scaled."""
    import ray
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.tune.registry import register_env

    ray.init(address="local", num_cpus=1, include_dashboard=False, _node_ip_address="127.0.0.1")
    register_env("cash", make_env)
    config = (
        PPOConfig()
        .environment("cash")
        .framework("torch")
        .env_runners(num_env_runners=0)  # in this process
        .training(lr=1e-3, gamma=0.95, lambda_=0.9, train_batch_size=1000, num_epochs=6)
    )
    algorithm = config.build_algo()
    value = float("nan")
    for number in range(iterations):
        value = float(algorithm.train()["env_runners"]["episode_return_mean"])
        print(f"iteration {number + 1}: mean return {value:.2f}")
    algorithm.stop()
    ray.shutdown()
    return value


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
