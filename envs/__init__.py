"""Environments: the Gymnasium faces of the simulators. Importing this package registers them."""

import gymnasium

from envs.cash import CashInventoryEnv, CashInventoryVectorEnv

__all__ = ["CashInventoryEnv", "CashInventoryVectorEnv"]

if "CashInventory-v0" not in gymnasium.registry:
    gymnasium.register(
        id="CashInventory-v0",
        entry_point="envs.cash:CashInventoryEnv",
        vector_entry_point="envs.cash:CashInventoryVectorEnv",
    )
