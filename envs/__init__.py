"""Environments: the Gymnasium and PettingZoo faces of the simulators.

Importing this package registers those of Gymnasium.
"""

import gymnasium

from envs.cash.env import CashInventoryEnv, CashInventoryVectorEnv
from envs.supply_chain.env import SupplyChainEnv

__all__ = ["CashInventoryEnv", "CashInventoryVectorEnv", "SupplyChainEnv"]

if "CashInventory-v0" not in gymnasium.registry:
    gymnasium.register(
        id="CashInventory-v0",
        entry_point="envs.cash.env:CashInventoryEnv",
        vector_entry_point="envs.cash.env:CashInventoryVectorEnv",
    )
