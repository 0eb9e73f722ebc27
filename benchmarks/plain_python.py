"""The peer that the simulator is measured against: one world in plain Python, as anyone writes it.

It follows the same order of events as `envs.CashInventoryEnv` and replays the same golden
trajectories (a test holds it to that), so the comparison is of speed alone.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray


class PlainCashEnv(gymnasium.Env[NDArray[np.float32], int]):
    """The cash problem with single lots and shaped rewards, one Python statement at a time."""

    def __init__(
        self, *, max_steps: int = 50, initial_cash: float = 1000.0, holding_cost: float = 0.1
    ) -> None:
        self.max_steps, self.initial_cash = max_steps, initial_cash
        self.holding_cost = holding_cost
        box: Any = spaces.Box(0.0, np.inf, (6,), np.float32)
        self.observation_space = box
        discrete: Any = spaces.Discrete(3)
        self.action_space = discrete

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Draw the trace and begin."""
        super().reset(seed=seed)
        trace = (options or {}).get("trace")
        if trace is None:
            trace = {
                "raw_price": max(0.1, self.np_random.normal(5.0, 0.2)),
                "product_price": max(0.1, self.np_random.normal(20.0, 0.2)),
                "demand": np.maximum(0.0, self.np_random.normal(10.0, 3.0, self.max_steps + 1)),
                "raw_price_change": self.np_random.normal(0.0, 0.2, self.max_steps),
                "product_price_change": self.np_random.normal(0.0, 0.2, self.max_steps),
            }
        self.trace, self.k = trace, 0
        self.raw, self.product, self.cash = 0.0, 0.0, self.initial_cash
        self.raw_price, self.product_price = trace["raw_price"], trace["product_price"]
        self.demand = trace["demand"][0]
        return self._observation(), {}

    def _observation(self) -> NDArray[np.float32]:
        return np.array(
            [self.raw, self.product, self.raw_price, self.product_price, self.demand, self.cash],
            dtype=np.float32,
        )

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Move by one step."""
        if action not in (0, 1, 2):
            raise ValueError(f"action {action!r} is not 0, 1 or 2")
        reward, invalid = 0.0, False
        if action == 1:
            if self.cash >= self.raw_price:
                self.cash -= self.raw_price
                self.raw += 1
            else:
                invalid = True
        elif action == 2:
            if self.raw >= 2:
                self.raw -= 2
                self.product += 1
                reward += 10.0
            else:
                invalid = True
        if invalid:
            reward -= 2.0
        before = self.product
        self.demand = self.trace["demand"][self.k + 1]
        sold = min(self.product, self.demand)
        revenue = sold * self.product_price
        self.product -= sold
        self.cash += revenue
        unmet = self.demand - sold
        holding = self.holding_cost * (self.raw + self.product)
        reward += revenue - 5.0 * unmet - holding
        self.raw_price = max(0.1, self.raw_price + self.trace["raw_price_change"][self.k])
        self.product_price = max(
            0.1, self.product_price + self.trace["product_price_change"][self.k]
        )
        self.k += 1
        terminated = self.cash <= 0
        if terminated:
            reward -= 100.0
        info = {
            "sold_units": sold,
            "unmet_demand": unmet,
            "revenue": revenue,
            "holding_cost": holding,
            "invalid_action": invalid,
            "product_inventory_before_sale": before,
            "product_inventory_after_sale": self.product,
        }
        return self._observation(), reward, terminated, self.k >= self.max_steps, info
