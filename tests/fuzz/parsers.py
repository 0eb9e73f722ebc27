"""Everything that is parsed, as functions of bytes: a value, an `InputError`, or a finding."""

import tempfile
from pathlib import Path

from agents.config import from_dict, read_yaml, resolve
from agents.weights import read_tensors
from common.errors import InputError, validated
from common.files import parse_array, read_arrays
from envs.cash.price_history import DemandFile, demand_period

HOME = Path(tempfile.mkdtemp())
FILE = HOME / "input"


def configuration(content: bytes) -> None:
    """A YAML file, as a run's configuration and under the flags."""
    FILE.write_bytes(content)
    from_dict(read_yaml(FILE))
    resolve({}, config=FILE)


def setting(content: bytes) -> None:
    """A `--set`."""
    resolve({}, assignments=(content.decode("utf-8", "surrogateescape"),))


def demand(content: bytes) -> None:
    """A file of daily demand."""
    FILE.with_suffix(".csv").write_bytes(content)
    source = {"file": FILE.with_suffix(".csv"), "column": "shop", "split": "2020-01-08"}
    demand_period(validated(DemandFile, source), "training")


def archive(content: bytes) -> None:
    """A model file and a file of arrays."""
    FILE.write_bytes(content)
    for read in (
        lambda: read_arrays(FILE, "file"),
        lambda: read_tensors(content, "file", 1 << 20),
    ):
        try:
            read()
        except InputError as error:
            _one_line(error)


def array(content: bytes) -> None:
    """One array."""
    parse_array(content, "x.npy")


PARSERS = {b"y": configuration, b"s": setting, b"d": demand, b"z": archive, b"n": array}


def one(content: bytes) -> None:
    """Hand the bytes to the parser that the first of them names."""
    parser = PARSERS.get(content[:1], setting)
    try:
        parser(content[1:])
    except InputError as error:
        _one_line(error)


def _one_line(error: InputError) -> None:
    assert len(str(error)) < 5000
    assert "\n" not in str(error)
