"""YAML from outside: only plain values, of bounded size, without duplicate keys."""

import re
from typing import Any, NoReturn

import yaml

from common.errors import InputError, short

MAX_DEPTH = 32
MAX_VALUES = 100_000
"""Most values in one text, aliased ones counted at each use; these take about two seconds."""

MAX_DIGITS = 300
_SCIENTIFIC = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN = "tag:yaml.org,2002:"
_NUMBERS = {_PLAIN + "int", _PLAIN + "float"}
_RESOLVED = {
    _PLAIN + "int": re.compile(r"[+-]?(0|[1-9][0-9_]*)", re.ASCII),
    _PLAIN + "float": re.compile(
        r"[+-]?([0-9][0-9_]*\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    ),
    _PLAIN + "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
}
"""Numbers and booleans as YAML 1.2 writes them, and ``_`` between digits."""

_STRING, _MERGE = _PLAIN + "str", _PLAIN + "merge"
_TAGS = {*_NUMBERS, _STRING, *(_PLAIN + n for n in ("map", "seq", "bool", "null", "timestamp"))}
_BROKEN = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    yaml.YAMLError,
)
"""What PyYAML raises besides its own errors, for example on ``!!int ''``."""


def parse_yaml(text: str) -> Any:
    """Return the value of a YAML text; ``1e6`` is read as a number.

    Raises
    ------
    InputError
        If it is not YAML, has a tag, a duplicate key or a key that is no name, or is too deep or
        too large.

    Examples
    --------
    >>> parse_yaml("{a: 1e3, b: [x, 2.5]}")
    {'a': 1000.0, 'b': ['x', 2.5]}
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _Check().size(node, 0)
        return _numbers(loader.construct_document(node))
    except InputError:
        raise
    except _BROKEN as error:
        raise InputError(f"not readable as YAML: {_error_text(error)}") from None


def _error_text(error: Exception) -> str:
    """Return a parser's complaint and its position, on one line."""
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    mark = getattr(error, "problem_mark", None)
    line = f", line {mark.line + 1}" if mark is not None else ""
    return f"{' '.join(str(problem).split())[:100]}{line}"


class _Loader(yaml.SafeLoader):
    """A loader that stops where a text gets too long or too deep, however much is left of it.

    It is PyYAML's pure Python one: the C loader crashes the process on a deeply nested text.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose the next node and those in it."""
        self._nodes += 1
        self._depth += 1
        if self._nodes > MAX_VALUES:
            self._refuse(f"more than {MAX_VALUES:,} values")
        if self._depth > MAX_DEPTH + 1:
            self._refuse(f"deeper than {MAX_DEPTH} levels")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _refuse(self, message: str) -> NoReturn:
        line: int = self.get_mark().line + 1
        raise InputError(f"line {line}: {message}")


# YAML 1.1 reads 1:30:00 as 5400, 017 as 15 and no as false; 1.2 does not
_Loader.yaml_implicit_resolvers = {
    sign: [(tag, form) for tag, form in forms if tag not in _RESOLVED]
    for sign, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, _form in _RESOLVED.items():
    _signs = "tTfF" if _tag.endswith("bool") else "-+.0123456789"
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_form.pattern})\Z"), list(_signs))


class _Check:
    """A walk over the nodes of a text before any value is constructed."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}

    def size(self, node: yaml.Node, depth: int) -> tuple[int, int]:
        """Return the number of values under a node, aliases followed, and their depth."""
        _check_tag(node)
        size, levels = self._known.get(id(node), (0, 0))
        if depth + levels > MAX_DEPTH:
            raise InputError(f"line {_line(node)}: deeper than {MAX_DEPTH} levels")
        if size:
            return size, levels
        parts = [self.size(part, depth + 1) for part in _parts(node)]
        size = 1 + sum(part for part, _ in parts)
        if size > MAX_VALUES:
            raise InputError(f"line {_line(node)}: more than {MAX_VALUES:,} values")
        self._known[id(node)] = size, 1 + max((levels for _, levels in parts), default=0)
        return self._known[id(node)]


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        _check_keys(node)
        return [value for _, value in node.value]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _check_tag(node: yaml.Node) -> None:
    if node.tag not in _TAGS:
        raise InputError(f"line {_line(node)}: not readable as YAML: tag {short(node.tag)}")
    if isinstance(node, yaml.ScalarNode) and _SURROGATE.search(node.value):
        raise InputError(f"line {_line(node)}: {short(node.value)} is not text")
    if node.tag in _NUMBERS and len(node.value) > MAX_DIGITS:
        raise InputError(f"line {_line(node)}: a number of {len(node.value):,} digits")


def _check_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.tag == _MERGE:
            continue
        if not isinstance(key, yaml.ScalarNode) or key.tag != _STRING:
            raise InputError(f"line {_line(key)}: key {short(key.value)} is not a name")
        if key.value in seen:
            raise InputError(
                f"line {_line(key)}: key {short(key.value)} is a duplicate; remove one"
            )
        seen.add(key.value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _numbers(value: Any) -> Any:
    """Read ``1e6`` as a number; YAML 1.1 reads it as a string."""
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if isinstance(value, str) and len(value) <= MAX_DIGITS and _SCIENTIFIC.fullmatch(value):
        return float(value)
    return value
