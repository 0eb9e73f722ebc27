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


PERIODS = "split", "validation", "fill"
"""Flags about the days of a file."""
MARKET = {"column": "demand", "raw_price": "raw_price", "product_price": "product_price"}
"""Columns of a file of prices and demand."""


def _demand_flags(given: dict[str, Any]) -> None:
    """Put the flags of a file of days where they belong, and choose the recipe for one."""
    options: dict[str, Any] = {n: given.pop(n) for n in (*PERIODS, "augment") if n in given}
    files = {name: given.pop(name) for name in ("demand", "prices") if name in given}
    if not files:
        if options:
            raise InputError(
                f"--{next(iter(options))}: is about a file of days; name one with --demand or "
                "--prices"
            )
        return
    if len(files) > 1:
        raise InputError("--demand is for stores and --prices for the cash problem; give one")
    ((flag, file),) = files.items()
    problem, recipe = ("stores", "demand") if flag == "demand" else ("cash", "history")
    if given.setdefault("problem", problem) != problem:
        raise InputError(f"--{flag} belongs to --problem {problem}, not {given['problem']}")
    given.setdefault("recipe", recipe)
    if flag == "demand":
        options.setdefault("augment", "bootstrap")  # does best on the bakery's selection period
    elif "augment" in options:
        raise InputError("--augment makes days of stores; --prices plays its days as they were")
    else:
        options |= MARKET
    given["parameters"] = {"demand_data": {"file": str(Path(file).resolve()), **options}}
