"""An environment of your own: a kiosk that orders papers every morning.

::

    python train.py --env examples.kiosk:Kiosk --plugin examples.kiosk_rule
    python evaluate.py --env examples.kiosk:Kiosk --plugin examples.kiosk_rule --checkpoint
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Kiosk(gymnasium.Env[np.ndarray, int]):
    """Order 0 to 20 papers each morning; what is not sold is worth nothing.

    Plain keywords with defaults are parameters that ``--set price=4`` changes. All randomness is
    drawn from `self.np_random`, so that policies can be compared on the same days.
    """

    def __init__(self, price: float = 3.0, cost: float = 1.0, mean_demand: float = 10.0) -> None:
        self.price, self.cost, self.mean_demand = price, cost, mean_demand
        self.observation_space = spaces.Box(0.0, np.inf, (2,), np.float32)
        self.action_space = spaces.Discrete(21)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin a week; the observation is the day and yesterday's demand."""
        super().reset(seed=seed)
        self.day, self.demand = 0, self.mean_demand
        return self._observation(), {}

    def _observation(self) -> np.ndarray:
        return np.array([self.day, self.demand], np.float32)

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Order, sell, throw the rest away."""
        weekend = 2.0 if self.day >= 5 else 1.0
        self.demand = float(self.np_random.poisson(self.mean_demand * weekend / 1.3))
        self.day += 1
        reward = self.price * min(action, self.demand) - self.cost * action
        return self._observation(), float(reward), False, self.day == 7, {}
