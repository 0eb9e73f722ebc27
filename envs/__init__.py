"""Environments: the Gymnasium and PettingZoo interfaces of the simulators.

Importing this package registers the Gymnasium environments; each is loaded on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from gymnasium.envs.registration import register, registry

if TYPE_CHECKING:
    from envs.cash.env import CashInventoryEnv, CashInventoryVectorEnv
    from envs.supply_chain.env import SupplyChainEnv

__all__ = ["CashInventoryEnv", "CashInventoryVectorEnv", "SupplyChainEnv"]

_HOMES = {
    "CashInventoryEnv": "envs.cash.env",
    "CashInventoryVectorEnv": "envs.cash.env",
    "SupplyChainEnv": "envs.supply_chain.env",
}


def __getattr__(name: str) -> Any:
    """Load an environment on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def register_environments() -> None:
    """Register the environments with Gymnasium, which calls this where the project is installed."""
    if "CashInventory-v0" not in registry:
        register(
            id="CashInventory-v0",
            entry_point="envs.cash.env:CashInventoryEnv",
            vector_entry_point="envs.cash.env:CashInventoryVectorEnv",
        )


register_environments()
