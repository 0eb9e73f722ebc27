"""Nested values as JSON and arrays, so that they can be read back without unpickling."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from common.errors import validated

Arrays = dict[str, NDArray[Any]]


def serialize(value: Any, arrays: Arrays) -> Any:
    """Return `value` as JSON values; its arrays are moved to `arrays`, by number.

    Parameters
    ----------
    value : object
        Numbers, texts, None, arrays, NumPy scalars, tensors, validated parameters, and tuples,
        lists and mappings of these.
    arrays : dict
        Filled with the arrays.

    Raises
    ------
    TypeError
        If a part is of another type.

    Examples
    --------
    >>> arrays = {}
    >>> packed = serialize({"a": (1, np.arange(2))}, arrays)
    >>> packed
    {'a': {'$tuple': [1, {'$array': '0'}]}}
    >>> deserialize(packed, arrays, BaseModel)
    {'a': (1, array([0, 1]))}
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray) and value.dtype.names:
        fields = [(name, serialize(value[name], arrays)["$array"]) for name in value.dtype.names]
        return {"$record": [value.dtype.isalignedstruct, value.ndim, fields]}
    for is_leaf, make in _LEAVES:
        if is_leaf(value):
            name, content = make(value)
            if name == "$parameters":
                return {name: content}
            number = str(len(arrays))
            arrays[number] = content
            return {name: number}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: serialize(item, arrays) for key, item in value.items()}
        return {"$items": [[serialize(k, arrays), serialize(v, arrays)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {"$tuple": [serialize(item, arrays) for item in value]}
    if isinstance(value, Sequence):
        return [serialize(item, arrays) for item in value]
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")


def deserialize(
    packed: Any, arrays: Mapping[str, NDArray[Any]], parameters: type[BaseModel]
) -> Any:
    """Return what `serialize` was given; `parameters` is the type of its validated parameters."""
    if isinstance(packed, list):
        return [deserialize(item, arrays, parameters) for item in packed]
    if not isinstance(packed, dict):
        return packed
    first: tuple[str, Any] = next(iter(packed.items()), ("", None))
    name, content = first
    if name == "$tuple":
        return tuple(deserialize(content, arrays, parameters))
    if name == "$items":
        return dict(deserialize(content, arrays, parameters))
    if name == "$parameters":
        return validated(parameters, content, "parameters")
    if name in _FROM_ARRAYS:
        return _FROM_ARRAYS[name](content, arrays)
    return {key: deserialize(item, arrays, parameters) for key, item in packed.items()}


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _is_tensor(value: Any) -> bool:
    """Return whether a value is torch's; where torch is not loaded, none is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _tensor(array: NDArray[Any]) -> Any:
    import torch  # here: looking for a checkpoint does not wait for it

    return torch.from_numpy(array)


def _record(content: Any, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.void]:
    """Put a structured array together from its fields."""
    aligned, dimensions, fields = content
    columns = {name: arrays[number] for name, number in fields}
    kinds = [(name, a.dtype, a.shape[dimensions:]) for name, a in columns.items()]
    shape = next(iter(columns.values())).shape[:dimensions]
    out = np.empty(shape, np.dtype(kinds, align=aligned))
    for name, column in columns.items():
        out[name] = column
    return out


_FROM_ARRAYS: dict[str, Callable[[Any, Mapping[str, NDArray[Any]]], Any]] = {
    "$array": lambda number, arrays: arrays[number],
    "$scalar": lambda number, arrays: arrays[number][()],
    "$tensor": lambda number, arrays: _tensor(arrays[number]),
    "$record": _record,
}
_LEAVES: tuple[tuple[Callable[[Any], bool], Callable[[Any], tuple[str, Any]]], ...] = (
    (_is(BaseModel), lambda value: ("$parameters", value.model_dump(mode="json"))),
    (_is(np.ndarray), lambda value: ("$array", value)),
    (_is(np.generic), lambda value: ("$scalar", np.asarray(value))),
    (_is_tensor, lambda value: ("$tensor", value.detach().cpu().numpy())),
)
