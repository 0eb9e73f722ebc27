"""One clear line for every bad input: which name, which value, what is allowed."""

import difflib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails


class InputError(ValueError):
    """A value from outside (file, flag, keyword) that cannot be used.

    The message is one line and says what to do. Command lines print it and exit with status 2.
    """


class UnreadableError(InputError):
    """A file that the system does not let us read, which says nothing about its content."""


class NumericalError(ArithmeticError):
    """A number that is not finite, met in training.

    The message is one line: where, and which parameters are suspicious. Command lines print it and
    exit with status 3.
    """


class FrozenModel(BaseModel):
    """Base of all validated settings: immutable, no unknown keys, no NaN and no infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=False)

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal: not what is computed once and kept, such as arrays."""
        if type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in type(self).model_fields)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse ``true`` and ``false`` as numbers; pydantic would read them as 1 and 0."""
        items = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(item, bool) for item in items):
            field = cls.model_fields[info.field_name or ""]
            if not _takes_truth(field.annotation):
                raise ValueError("must not be true or false")
        return value


def _takes_truth(annotation: Any) -> bool:
    """Return whether a value of this type may be a bool, or hold bools."""
    return annotation in (bool, Any) or any(map(_takes_truth, get_args(annotation)))


Model = TypeVar("Model", bound=BaseModel)

MOST_NAMED = 100
"""How many allowed values a message lists at most."""


def and_more(left: int) -> str:
    """Return the ending of a list of names that leaves out `left` of them."""
    return f" and {left:,} more" if left > 0 else ""


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest allowed word, else the list of all."""
    names = sorted(allowed)
    known = {name.casefold(): name for name in names[:1000]}
    close = difflib.get_close_matches(word[:100].casefold(), known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {short(known[close[0]])}?"
    listed = ", ".join(name[:60] for name in names[:MOST_NAMED])
    return f"; allowed: {listed}{and_more(len(names) - MOST_NAMED)}"


def choose(kind: str, word: str, allowed: Iterable[str]) -> str:
    """Return `word` if it is among `allowed`, else raise with the nearest name."""
    names = list(allowed)
    if word not in names:
        raise InputError(f"unknown {kind} {short(word)}{nearest(word, names)}")
    return word


def short(value: object, limit: int = 60) -> str:
    """Show a value on one line, cut to `limit` characters."""
    try:
        text = " ".join((str if isinstance(value, date) else repr)(value).split())
    except (RecursionError, ValueError):  # too deep, or a number with too many digits
        text = f"a {type(value).__name__} that is too large to show"
    return text if len(text) <= limit else text[: limit - 3] + "..."


def validated(model: type[Model], values: Mapping[str, Any], where: str = "") -> Model:
    """Build `model` from outside values.

    Parameters
    ----------
    model : type
        The pydantic model to build.
    values : mapping
        Its fields, as read from YAML, a flag or keyword arguments.
    where : str
        Name put before the field's in the message, such as ``"parameters"``.

    Raises
    ------
    InputError
        One line about the first wrong value, and how many others there are.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(_describe(model, error, where)) from None


def _describe(model: type[BaseModel], error: ValidationError, where: str) -> str:
    problems = error.errors(include_url=False)
    first = problems[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InputError):  # names its own file or value
        return str(cause)
    path = _named(first["loc"])
    name = ".".join(([where] if where else []) + path)
    others = len({tuple(_named(problem["loc"])) for problem in problems}) - 1
    more = f" (and {others} more)" if others else ""
    if first["type"] == "extra_forbidden":
        known, key = fields_at(model, first["loc"][:-1]), str(first["loc"][-1])
        within = ([where] if where else []) + _named(first["loc"][:-1])
        hint = nearest(key, known) if known else ""
        return f"unknown key {short('.'.join([*within, key]))}{hint}{more}"
    if first["type"] == "missing":
        return f"{name} is missing{more}"
    reasons = [_message(problem) for problem in problems if _named(problem["loc"]) == path]
    reason = " or ".join(dict.fromkeys(reasons))
    if not name or (not path and isinstance(first["input"], dict)):  # about several at once
        return f"{reason}{more}"
    return f"{name} = {short(first['input'])}: {reason}{more}"


def _message(problem: ErrorDetails) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    message = _PLAINER.get(problem["type"], message[:1].lower() + message[1:])
    message = message.format(**problem.get("ctx", {})) if "{" in message else message
    return " ".join(message.split())


_PLAINER = {
    "model_type": "must be a mapping of names to values",
    "dict_type": "must be a mapping of names to values",
    "tuple_type": "must be a list",
    "too_short": "must have at least {min_length} of them",
}


def _named(path: tuple[int | str, ...]) -> list[str]:
    """Return the names and indices of a path without pydantic's union tags."""
    tags = {"float", "int", "str", "bool"}
    return [
        str(part)
        for part in path
        if str(part).isalnum() or str(part).isidentifier()
        if part not in tags
    ]


def fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Return the field names of the nested model at `path`, or none if it is not a model."""
    current: Any = model
    for part in path:
        if isinstance(part, int):
            continue
        field = getattr(current, "model_fields", {}).get(part)
        if field is None:
            return []
        arguments = [field.annotation, *getattr(field.annotation, "__args__", ())]
        current = next(
            (a for a in arguments if isinstance(a, type) and issubclass(a, BaseModel)), None
        )
    return list(getattr(current, "model_fields", {}))
