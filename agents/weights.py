"""Weights on disk: SB3's model files, written, hashed, and read without unpickling."""

import hashlib
import io
import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize

from agents import run_files
from agents.run_files import STATISTICS, WEIGHTS
from common.errors import InputError, short
from common.files import MAX_ARCHIVE_BYTES, open_archive, read_arrays, read_member
from wrappers.normalize import load_running_statistics, running_statistics

SLACK = 1 << 20
"""Bytes that a file of tensors may have besides the tensors' own."""

MAX_PROGRAM_BYTES = 4 << 20
MAX_STATISTICS_BYTES = 64 << 20
MAX_DEPTH = 50
"""Deepest nesting of containers; SB3's files need less than half of it."""

_STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_ALLOWED = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    *(f"torch {kind}Storage" for kind in _STORAGES),
}
_REFUSED = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"}


def read_tensors(
    source: bytes, name: str, limit: int, device: torch.device | str = "cpu"
) -> dict[str, torch.Tensor]:
    """Return the tensors by name that an SB3 file holds for its policy.

    Parameters
    ----------
    source : bytes
        The content of a file such as ``model.zip``, of which no other member is touched.
    name : str
        Name of the file in messages.
    limit : int
        Bytes that the tensors may take: those of the model that they are for.
    device : torch.device or str
        Device to put them on.

    Raises
    ------
    InputError
        If the file is damaged or larger, or holds anything but finite tensors by name.
    """
    name, limit = f"{name}: {WEIGHTS}", limit + SLACK
    plain = _rewritten(read_member(source, name, WEIGHTS, limit), name, limit)
    try:
        content = torch.load(plain, map_location=device, weights_only=True)  # noqa: TID251
    except Exception as error:  # a damaged file can fail anywhere in torch
        raise InputError(f"{name}: damaged: {short(str(error))}") from None
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items()
    ):
        raise InputError(f"{name}: holds no mapping of names to tensors")
    if size_of(content) > limit:  # a shape may claim more than is stored
        raise InputError(f"{name}: claims {size_of(content):,} bytes, at most {limit:,}")
    for tensor in content.values():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{name}: holds NaN or infinity")
    return content


def size_of(state: Mapping[str, torch.Tensor]) -> int:
    """Return the bytes that tensors take."""
    return sum(tensor.numel() * tensor.element_size() for tensor in state.values())


def _rewritten(content: bytes, name: str, limit: int) -> io.BytesIO:
    """Return the archive as Python understands it, so that torch cannot find another one in it."""
    plain = io.BytesIO()
    with (
        open_archive(content, name, limit=limit) as archive,
        zipfile.ZipFile(plain, "w") as copy,
    ):
        for member in archive.namelist():
            part = archive.read(member)
            if member.lower().endswith(".pkl"):
                _check_program(part, name)
            copy.writestr(zipfile.ZipInfo(member), part)
    plain.seek(0)
    return plain


def _check_program(program: bytes, name: str) -> None:
    """Refuse a program that names anything but tensors and plain containers; nothing is run.

    A container that stands in two places, or in too many others, could grow without bound.
    """
    if len(program) > MAX_PROGRAM_BYTES:
        raise InputError(f"{name}: describes its tensors in {len(program):,} bytes")
    depths: list[int | None] = []  # of what is on the stack; None is a mark
    kept: dict[Any, int] = {}
    try:
        for opcode, argument, _ in pickletools.genops(program):
            unknown = opcode.name == "GLOBAL" and argument not in _ALLOWED
            if unknown or opcode.name in _REFUSED:
                raise InputError(
                    f"{name}: holds {short(argument or opcode.name)}, not only tensors; not read"
                )
            if "PUT" in opcode.name:
                kept[argument] = depths[-1] or 0
            elif opcode.name == "MEMOIZE":
                kept[len(kept)] = depths[-1] or 0
            elif "GET" in opcode.name:
                depths.append(kept[argument])
                _check_depth(MAX_DEPTH * bool(kept[argument]), name)
            else:
                _check_depth(_carry_out(opcode, depths), name)
    except InputError:
        raise
    except Exception as error:  # damaged bytes can fail anywhere in the parser
        raise InputError(f"{name}: damaged: {short(str(error))}") from None


def _carry_out(opcode: pickletools.OpcodeInfo, depths: list[int | None]) -> int:
    """Apply an opcode to the stack of depths as to that of values; return the new depth."""
    before, taken = list(opcode.stack_before), [0]
    if pickletools.markobject in before:
        while (depth := depths.pop()) is not None:
            taken.append(depth)
        before = before[: before.index(pickletools.markobject)]
    taken += [depths.pop() or 0 for _ in before]
    nests = bool(before) or len(taken) > 1 or opcode.name in ("TUPLE", "EMPTY_TUPLE")
    depth = max(taken) + nests
    for left in opcode.stack_after:
        depths.append(None if left is pickletools.markobject else depth)
    return depth


def _check_depth(depth: int, name: str) -> None:
    if depth >= MAX_DEPTH:
        raise InputError(f"{name}: nests or repeats its containers; not read")


def weights_hash(model: BaseAlgorithm) -> str:
    """Return a digest of all weights, equal only for equal bits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.policy.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_model(model: BaseAlgorithm, env: VecEnv, path: Path) -> None:
    """Write the model as a normal SB3 file, with the running statistics that belong to it in it."""
    buffer = io.BytesIO()
    model.save(buffer)
    if statistics := running_statistics(env):
        arrays = io.BytesIO()
        np.savez(arrays, **statistics)  # type: ignore[arg-type]
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr(zipfile.ZipInfo(STATISTICS), arrays.getvalue())
    run_files.write(path, buffer.getvalue())


def load_model(model: BaseAlgorithm, env: VecEnv, path: Path, *, frozen: bool = True) -> None:
    """Load a run's model into one built afresh, and its statistics into `env`.

    Nothing is unpickled.

    Parameters
    ----------
    model, env : BaseAlgorithm, VecEnv
        Built from the run's configuration.
    path : Path
        The file, which must be as the run wrote it.
    frozen : bool
        Whether the statistics stay as they are from now on.

    Raises
    ------
    InputError
        If the file was altered, is damaged, or belongs to another model.
    """
    content, name = run_files.read(path, MAX_ARCHIVE_BYTES), str(path)
    if unwrap_vec_normalize(env) is not None:
        statistics = read_member(content, name, STATISTICS, MAX_STATISTICS_BYTES)
        arrays = read_arrays(statistics, f"{name}: {STATISTICS}", MAX_STATISTICS_BYTES)
        load_running_statistics(env, arrays, name, frozen=frozen)
    own = model.policy.state_dict()
    try:
        weights = read_tensors(content, name, size_of(own), model.device)
        check_tensors(own, weights)
        model.policy.load_state_dict(weights)
    except Exception as error:  # tensors of another model can fail anywhere in torch
        reason = str(error).removeprefix(f"{path}: ")
        raise InputError(
            f"{path}: not a model of this run: {short(reason, 200)}; copy it again or train again"
        ) from None


def check_tensors(own: Mapping[str, torch.Tensor], others: Mapping[str, torch.Tensor]) -> None:
    """Check that tensors fit a model: torch would convert tensors of another type.

    Raises
    ------
    ValueError
        Naming the first that does not fit.
    """
    if own.keys() != others.keys():
        raise ValueError("it has other tensors")
    for name, tensor in own.items():
        other = others[name]
        if (tensor.dtype, tensor.shape, tensor.layout) != (
            other.dtype,
            other.shape,
            other.layout,
        ):
            raise ValueError(f"{name} is a tensor of another kind")
        if not bool(torch.isfinite(other).all()):
            raise ValueError(f"{name} holds NaN or infinity")
