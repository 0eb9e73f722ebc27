"""What a checkpoint may hold: what a fresh learner of the same run has, in kind and in range.

A checkpoint may have been forged. Compiled laws, fused optimisers and numpy's generators trust the
arrays that they are given, so all of it is looked at before any of it is used.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

MAX_COUNT = 10**15
"""Beyond this, no step, episode or sum of them can be."""

MAX_NUMBER = 1e30
"""Nor any number that learning goes on from; float32 ends at 3e38."""

_WIDE = 1 << 128
"""Of the two numbers that a PCG64 consists of."""


def check_like(ours: Any, theirs: Any, name: str) -> None:
    """Make sure that nested values have the form of our own, and are finite numbers.

    Parameters
    ----------
    ours, theirs : object
        Mappings, sequences, arrays, tensors, numbers, texts.
    name : str
        What to call it in messages.

    Raises
    ------
    ValueError
        Naming the first part that differs.
    """
    if isinstance(ours, Mapping):
        if not isinstance(theirs, Mapping) or set(ours) != set(theirs):
            raise ValueError(f"{name} has other parts")
        for part in ours:
            check_like(ours[part], theirs[part], f"{name}.{part}")
    elif isinstance(ours, list | tuple):
        if type(ours) is not type(theirs) or len(ours) != len(theirs):
            raise ValueError(f"{name} has another length")
        for number, pair in enumerate(zip(ours, theirs, strict=True)):
            check_like(*pair, f"{name}.{number}")
    elif isinstance(ours, np.ndarray | np.generic | torch.Tensor):
        _check_array(ours, theirs, name)
    elif isinstance(ours, bool | str) or ours is None:
        if type(theirs) is not type(ours):
            raise ValueError(f"{name} is of another type")
    else:
        check_number(theirs, name, -_WIDE, _WIDE, whole=isinstance(ours, int))


def _check_array(ours: Any, theirs: Any, name: str) -> None:
    kinds = [
        (type(x), getattr(x, "dtype", None), getattr(x, "shape", None)) for x in (ours, theirs)
    ]
    if kinds[0] != kinds[1]:
        raise ValueError(f"{name} is an array of another kind")
    if isinstance(ours, torch.Tensor):
        if ours.layout != theirs.layout:
            raise ValueError(f"{name} is an array of another kind")
        theirs = theirs.detach().cpu().numpy()
    for field in theirs.dtype.names or (None,):
        values = theirs if field is None else theirs[field]
        if values.dtype.kind == "f" and not (np.abs(values) <= MAX_NUMBER).all():
            raise ValueError(f"{name} is not finite or far too large")


def check_number(
    value: Any, name: str, low: float, high: float = MAX_COUNT, *, whole: bool = True
) -> None:
    """Make sure that a value is a number within a range."""
    right = isinstance(value, int) if whole else isinstance(value, int | float)
    if not right or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} is {'no whole' if whole else 'no'} number from {low} to {high}")


def check_rows(values: Any, least: float, most: float, name: str) -> None:
    """Make sure that all entries of an array lie within a range."""
    if values.size and not (least <= values.min() and values.max() <= most):
        raise ValueError(f"{name} has entries out of range")


def check_generators(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Check the states of the generators that a process has one of."""
    python, numpy = theirs["python"], theirs["numpy"]
    check_like(ours["numpy"], numpy, "numpy's generator")
    check_like(ours["torch"], theirs["torch"], "torch's generator")
    check_like(list(ours["python"][:2]), list(python[:2]), "Python's generator")
    for number in python[1]:
        check_number(number, "Python's generator", 0, 2**32 - 1)
    if python[2] is not None:
        check_number(python[2], "Python's generator", -MAX_NUMBER, MAX_NUMBER, whole=False)
    check_number(numpy[2], "numpy's generator", 0, 624)
    if not numpy[1].any() or not any(python[1][:-1]):
        raise ValueError("a generator that only gives zeros")


def check_bit_generator(ours: Mapping[str, Any], theirs: Any, name: str) -> None:
    """Check the state of one of numpy's bit generators."""
    check_like(ours, theirs, name)
    if ours["bit_generator"] != theirs["bit_generator"]:
        raise ValueError(f"{name} is of another kind")
    check_number(theirs["has_uint32"], name, 0, 1)
    check_number(theirs["uinteger"], name, 0, 2**32 - 1)
    if ours["bit_generator"] == "PCG64":
        for part in ("state", "inc"):
            check_number(theirs["state"][part], name, 0, _WIDE - 1)
        if theirs["state"]["inc"] % 2 == 0:
            raise ValueError(f"{name} could stand still")


def check_optimizer(optimizer: torch.optim.Optimizer, theirs: Mapping[Any, Any]) -> None:
    """Check the moments of an optimiser against those that it would make for its parameters."""
    own = [p for group in optimizer.param_groups for p in group["params"]]
    copies = [torch.nn.Parameter(p.detach().clone()) for p in own]
    options = {k: v for k, v in optimizer.param_groups[0].items() if k in optimizer.defaults}
    fresh = type(optimizer)(copies, **options)
    for p in copies:
        p.grad = torch.zeros_like(p)
    fresh.step()
    expected = fresh.state_dict()["state"]
    for number, moments in theirs.items():
        if type(number) is not int or number not in expected:
            raise ValueError("the optimiser is of another model")
        check_like(expected[number], moments, f"the optimiser's state {number}")
        for name in ("step", "exp_avg_sq", "square_avg"):
            if name in moments and bool((torch.as_tensor(moments[name]) < 0).any()):
                raise ValueError(f"the optimiser's {name} is negative")


def check_episodes(episodes: Any, most: int, keys: Sequence[str], name: str) -> None:
    """Check a short list of episodes: mappings of the same names to numbers."""
    if not isinstance(episodes, list) or len(episodes) > most:
        raise ValueError(f"{name} is no list of at most {most}")
    for episode in episodes:
        if not isinstance(episode, Mapping) or set(episode) != set(keys):
            raise ValueError(f"{name} has other parts")
        for value in episode.values():
            check_number(value, name, -math.inf, math.inf, whole=False)


def check_batch(ours: Mapping[str, Any], theirs: Any, stages: Sequence[Any]) -> None:
    """Check what all problems' worlds have in common; each batch looks at the rest itself.

    Parameters
    ----------
    ours, theirs : mapping
        As a batch's `get_state` gives it.
    stages : sequence
        The parameters that a run has.
    """
    if not isinstance(theirs, Mapping) or set(ours) != set(theirs):
        raise ValueError("its worlds have other parts")
    for name, own in ours.items():
        check = _PARTS.get(name)
        if check is None:
            _check_kind(own, theirs[name], f"its worlds' {name}")
        else:
            check(own, theirs[name], stages)


def _check_stage(_: Any, parameters: Any, stages: Sequence[Any]) -> None:
    if parameters not in stages:
        raise ValueError("its worlds' parameters are of no stage of the run")


def _check_constants(own: Any, value: Any, stages: Sequence[Any]) -> None:
    known = [stage.constants() for stage in stages]
    same = value.dtype == own.dtype and value.ndim == 1
    if not same or not np.logical_or.reduce([value == one for one in known]).all():
        raise ValueError("its worlds' constants are of no stage of the run")


def _check_trace(own: Any, value: Any, _: Any) -> None:
    if not isinstance(value, Mapping) or set(own) != set(value):
        raise ValueError("its worlds' trace has other parts")
    for part, values in own.items():  # rooms for the longest stage so far
        _check_kind(values, value[part], f"its worlds' {part}")


_PARTS: dict[str, Callable[[Any, Any, Sequence[Any]], None]] = {
    "chain": lambda own, value, stages: check_batch(own, value, stages),
    "parameters": _check_stage,
    "next_parameters": _check_stage,
    "rng": lambda own, value, _: check_bit_generator(own, value, "its worlds' generator"),
    "constants": _check_constants,
    "trace": _check_trace,
    "memory": lambda _, value, __: _check_finite(value),
    "start": lambda own, value, _: check_like(own, value, "its worlds' start"),
}
"""Parts of a batch's state that are no arrays of numbers of any shape."""


def _check_kind(own: Any, value: Any, name: str) -> None:
    """Check a part whose shape depends on the stage, and is looked at by the batch."""
    if not isinstance(own, np.ndarray):
        check_like(own, value, name)
        return
    if not isinstance(value, np.ndarray) or own.ndim != value.ndim:
        raise ValueError(f"{name} is an array of another kind")
    _check_array(own.reshape(-1)[:0], value.reshape(-1)[:0], name)
    for field in value.dtype.names or (None,):
        values, usual = (x if field is None else x[field] for x in (value, own))
        if values.dtype.kind in "iuf" and np.isfinite(usual).all():  # a capacity may be unbounded
            check_rows(values, -MAX_NUMBER, MAX_NUMBER, name)


def _check_finite(value: Any) -> None:
    """Check the hidden states of a team: nested containers of arrays of numbers."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            _check_finite(part)
    elif isinstance(value, np.ndarray):
        _check_kind(value, value, "memory")
    elif value is not None:
        raise ValueError("its worlds' memory is no array")
