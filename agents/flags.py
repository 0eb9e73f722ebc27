"""The flags of the command line as a tree of settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inventory.errors import InputError


def nested_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags that were given, each where it belongs in the tree of a configuration.

    Raises
    ------
    InputError
        If some have no meaning together.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if "checkpoint_every" in given:
        given["checkpoint"] = {"every": given.pop("checkpoint_every")}
    stores = given.pop("stores", None)
    _demand_flags(given)
    team = {name: given.pop(name) for name in ("learn", "policy") if name in given}
    if stores is not None:
        if "demand_data" in given.get("parameters", {}):
            raise InputError("--stores: the demand file says which stores there are; leave it out")
        if given.setdefault("problem", "stores") != "stores":
            raise InputError(f"--stores belongs to --problem stores, not {given['problem']}")
        given["parameters"] = {"stores": stores}
    if team:
        given.setdefault("problem", "stores")
        given["team"] = team
    return given


def _demand_flags(given: dict[str, Any]) -> None:
    """Put the flags of a demand file where they belong, and choose the recipe for one."""
    names = ("split", "validation", "fill", "augment")
    options: dict[str, Any] = {name: given.pop(name) for name in names if name in given}
    file = given.pop("demand", None)
    if file is None and options:
        raise InputError(f"--{next(iter(options))}: is about a demand file; name one with --demand")
    if file is None:
        return
    if given.setdefault("problem", "stores") != "stores":
        raise InputError(f"--demand belongs to --problem stores, not {given['problem']}")
    given.setdefault("recipe", "demand")
    options.setdefault("augment", "bootstrap")  # does best on the bakery's selection period
    given["parameters"] = {"demand_data": {"file": str(Path(file).resolve()), **options}}
