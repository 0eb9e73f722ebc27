"""Weights on disk: SB3's model files, written, hashed, and read without unpickling."""

import hashlib
import io
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from agents.run_folder import STATISTICS, ModelFile
from common.errors import InputError, short
from common.files import (
    open_archive,
    read_member,
    write_whole,
)
from wrappers.normalize import running_statistics

SLACK = 1 << 20
"""Bytes that a file of tensors may have besides the tensors' own."""

MAX_PROGRAM_BYTES = 4 << 20
_STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_ALLOWED = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    *(f"torch {kind}Storage" for kind in _STORAGES),
}
_REFUSED = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"}


def read_tensors(
    path: Path, member: str, limit: int, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Return the mapping of names to tensors in one ``.pth`` member of an SB3 file.

    Parameters
    ----------
    path : Path
        A file such as ``model.zip``.
    member : str
        Such as ``policy.pth`` or ``policy.optimizer.pth``; no other member is touched.
    limit : int
        Bytes that the tensors may take: those of the model that they are for.
    device : torch.device or str
        Where to put them.

    Raises
    ------
    InputError
        If the file is damaged or larger, or holds anything but finite tensors and plain values.
    """
    name = f"{path}: {member}"
    plain = _rewritten(read_member(path, str(path), member, limit + SLACK), name, limit + SLACK)
    try:
        content = torch.load(plain, map_location=device, weights_only=True)  # noqa: TID251
    except Exception as error:  # a damaged file can fail anywhere in torch
        raise InputError(f"{name}: damaged: {short(str(error))}") from None
    if not isinstance(content, dict):
        raise InputError(f"{name}: holds no mapping of names to tensors")
    if size_of(content) > limit + SLACK:  # a shape may claim more than is stored
        raise InputError(f"{name}: claims {size_of(content):,} bytes, at most {limit + SLACK:,}")
    for tensor in _tensors(content):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{name}: holds NaN or infinity")
    return content


def size_of(state: Any) -> int:
    """Return the bytes that all tensors within nested containers take."""
    return sum(tensor.numel() * tensor.element_size() for tensor in _tensors(state))


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


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
    """Refuse a program that names anything but tensors and plain containers; nothing is run."""
    if len(program) > MAX_PROGRAM_BYTES:
        raise InputError(f"{name}: describes its tensors in {len(program):,} bytes")
    try:
        for opcode, argument, _ in pickletools.genops(program):
            unknown = opcode.name == "GLOBAL" and argument not in _ALLOWED
            if unknown or opcode.name in _REFUSED:
                raise InputError(
                    f"{name}: holds {short(argument or opcode.name)}, not only tensors; not read"
                )
    except InputError:
        raise
    except Exception as error:  # damaged bytes can fail anywhere in the parser
        raise InputError(f"{name}: damaged: {short(str(error))}") from None


def weights_hash(model: BaseAlgorithm) -> str:
    """Return a digest of all weights, equal only for equal bits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.policy.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_model(model: BaseAlgorithm, env: VecEnv, folder: Path, name: ModelFile) -> None:
    """Write the model, as a normal SB3 file, and the running statistics that belong to it."""
    statistics = running_statistics(env)
    if statistics:
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **statistics)
        write_whole(folder / STATISTICS[name], buffer.getvalue())
    buffer = io.BytesIO()
    model.save(buffer)
    write_whole(folder / name, buffer.getvalue())


def load_weights(model: BaseAlgorithm, path: Path) -> None:
    """Load the tensors of an SB3 file into a model built afresh; nothing is unpickled.

    Raises
    ------
    InputError
        If the file is damaged or belongs to another model.
    """
    own = model.policy.state_dict()
    try:
        weights = read_tensors(path, "policy.pth", size_of(own), model.device)
        model.policy.load_state_dict(weights)
    except Exception as error:  # tensors of another model can fail anywhere in torch
        told = str(error).removeprefix(f"{path}: ")
        raise InputError(
            f"{path}: not a model of this run: {short(told, 200)}; copy it again or train again"
        ) from None
