"""Reading files that a stranger may have written: sizes are known before anything is read.

Nothing here unpickles, follows a link out of a folder, or allocates what a header merely claims.
"""

import io
import os
import secrets
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError, UnreadableError, short

GIB = 1 << 30
MAX_ARCHIVE_BYTES = GIB
"""Limit on all members of an archive together."""

MAX_MEMBERS = 10_000
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    LookupError,
    NotImplementedError,  # a compression that nobody uses
    OverflowError,
    RuntimeError,  # encrypted
    ValueError,
)


def read_bytes(path: Path, limit: int, *, links: bool = False) -> bytes:
    """Read a regular file of at most `limit` bytes, following a symbolic link only if `links`.

    Raises
    ------
    InputError
        If it is missing, a link, not a regular file, too large, or unreadable.
    """
    check_regular(path, links=links)
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > limit:
        raise InputError(f"{path}: larger than {limit:,} bytes")
    return content


def check_regular(path: Path, *, links: bool = False) -> None:
    """Refuse a path that is missing, a symbolic link, or anything but a regular file."""
    try:
        if not links and path.is_symlink():
            raise InputError(f"{path}: is a symbolic link; put a copy of the file in its place")
        if not path.is_file():
            kind = "not a regular file" if path.exists() else "no such file"
            raise InputError(f"{path}: {kind}")
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}") from None


@contextmanager
def open_archive(
    source: Path | bytes, name: str, *, limit: int = MAX_ARCHIVE_BYTES
) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive whose members are fit to be read.

    Parameters
    ----------
    source : Path or bytes
        The archive's content or path.
    name : str
        Its name in messages.
    limit : int
        Largest total size of the members [bytes]. They must be stored uncompressed, so that
        nothing grows when it is read; no member yields more than its header claims.

    Raises
    ------
    InputError
        If it is damaged, too large or compressed, or a member's name is a duplicate or not plain;
        also if reading a member within the context fails.
    """
    if isinstance(source, Path):
        check_regular(source)
    try:
        with (
            source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file,
            zipfile.ZipFile(file) as archive,
        ):
            _check_members(archive.infolist(), name, limit)
            yield archive
    except InputError:
        raise
    except (*_DAMAGED, OSError) as error:
        raise InputError(f"{name}: damaged: {short(str(error))}") from None


def read_member(source: Path | bytes, name: str, member: str, limit: int) -> bytes:
    """Read one member of at most `limit` bytes; the others are not touched."""
    with open_archive(source, name) as archive:
        if member not in archive.namelist():
            raise InputError(f"{name}: holds no {member}")
        size = archive.getinfo(member).file_size
        if size > limit:
            raise InputError(f"{name}: {member} takes {size:,} bytes, at most {limit:,}")
        return archive.read(member)


def _check_members(members: list[zipfile.ZipInfo], name: str, limit: int) -> None:
    if len(members) > MAX_MEMBERS:
        raise InputError(f"{name}: holds {len(members):,} members, at most {MAX_MEMBERS:,}")
    seen: set[str] = set()
    for archived in members:
        member = archived.filename
        if member in seen:
            raise InputError(f"{name}: names {short(member)} twice")
        seen.add(member)
        if archived.compress_type != zipfile.ZIP_STORED:
            raise InputError(f"{name}: member {short(member)} is compressed")
        path = PurePosixPath(member)
        if path.is_absolute() or ".." in path.parts or "\\" in member or ":" in member:
            raise InputError(f"{name}: member {short(member)} is not a plain name")
    total = sum(member.file_size for member in members)
    if total > limit:
        raise InputError(f"{name}: claims {total:,} bytes, at most {limit:,}")


def read_arrays(
    source: Path | bytes, name: str, limit: int = MAX_ARCHIVE_BYTES
) -> dict[str, NDArray[np.generic]]:
    """Read an ``.npz`` file of arrays of numbers, called `name` in messages.

    Raises
    ------
    InputError
        If it is damaged or too large, or holds objects, or arrays whose size is not as claimed.
    """
    with open_archive(source, name, limit=limit) as archive:
        return {
            member.removesuffix(".npy"): parse_array(archive.read(member), f"{name}: {member}")
            for member in archive.namelist()
        }


def parse_array(content: bytes, name: str) -> NDArray[np.generic]:
    """Return the array of an ``.npy`` file, whose header must state its true size.

    Raises
    ------
    InputError
        If it is damaged, or holds anything but numbers.
    """
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise InputError(f"{name}: version {version} of the format is unknown")
        one = version == (1, 0)
        header = np.lib.format.read_array_header_1_0 if one else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(file)
    except InputError:
        raise
    except Exception as error:  # a damaged header can fail anywhere in numpy and in Python's parser
        raise InputError(f"{name}: damaged: {short(str(error))}") from None
    if dtype.kind not in "biuf":
        raise InputError(f"{name}: holds {short(str(dtype))}, not numbers")
    count = 1
    for length in shape:
        count *= length
    held = len(content) - file.tell()
    if min((0, *shape)) < 0 or count * dtype.itemsize != held:
        raise InputError(f"{name}: claims the shape {short(shape)}, holds {held:,} bytes")
    values = np.frombuffer(content, dtype, offset=file.tell()).copy()
    return values.reshape(shape, order="F" if fortran else "C")


def write_whole(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write a regular file: under a random name, flushed, then renamed to `path`.

    A file that is replaced keeps its mode; a new one gets `mode`, or the usual default.
    Every file that the project writes goes through here.

    Raises
    ------
    InputError
        If `path` exists and is not a regular file.
    OSError
        If writing fails; the previous content stays.
    """
    kept = _replaceable_mode(path)
    mode = mode if kept is None else kept
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)  # before there is any content to read
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno is not None:
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _replaceable_mode(path: Path) -> int | None:
    """Return the mode of the regular file at `path`, None if there is nothing."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISREG(mode):
        return stat.S_IMODE(mode)
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a symbolic link"}
    kind = kinds.get(stat.S_IFMT(mode), "not a regular file")
    raise InputError(f"{path}: is {kind}; name a regular file or a new one")
