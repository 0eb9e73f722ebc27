"""Training: runs, their learners, and `load`, which gives the policy of a run."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.policy import LoadedPolicy, load

__all__ = ["LoadedPolicy", "load"]


def __getattr__(name: str) -> Any:
    """Import `load` when it is first asked for: it brings torch and Stable-Baselines3."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from training import policy

    return getattr(policy, name)
