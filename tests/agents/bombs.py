"""Files that would run code if anything unpickled them, and where to put them in a run folder."""

import base64
import hashlib
import io
import json
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from agents import run_files


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self.mark),))


def bombs(mark: Path) -> dict[str, bytes]:
    """Return the bomb in every format that is known to be unpickled somewhere."""
    tensors, arrays, array = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"policy": Bomb(mark)}, tensors)
    legacy = io.BytesIO()
    torch.save({"policy": Bomb(mark)}, legacy, _use_new_zipfile_serialization=False)
    held = np.array([Bomb(mark)], dtype=object)
    np.savez(arrays, reward_mean=held, allow_pickle=True)
    np.save(array, held, allow_pickle=True)
    text = base64.b64encode(pickle.dumps(Bomb(mark))).decode()
    sb3 = {key: {":type:": "x", ":serialized:": text} for key in ("policy_class", "lr_schedule")}
    return {
        "pickle": pickle.dumps(Bomb(mark)),
        "protocol 0": pickle.dumps(Bomb(mark), protocol=0),
        "torch": tensors.getvalue(),
        "torch legacy": legacy.getvalue(),
        "npz": arrays.getvalue(),
        "npy": array.getvalue(),
        "sb3 data": json.dumps(sb3).encode(),
        "yaml": f"policy: !!python/object/apply:os.mkdir [{mark}]\n".encode(),
        "json": json.dumps({"py/reduce": [{"py/type": "os.mkdir"}, [str(mark)]]}).encode(),
    }


KINDS = {".zip": "torch", ".npz": "npz", ".yaml": "yaml", ".json": "json"}
MEMBERS = {".pth": ("pickle", "torch", "torch legacy"), ".npy": ("npy", "pickle")}


def poisonings(run: Path, mark: Path, most: int = 1000) -> Iterator[tuple[str, Path, bytes]]:
    """Give every file of a run folder with a bomb in its place, added, or in a member of it.

    At most `most` members of an archive are taken one at a time; then all of them at once.
    """
    ready = bombs(mark)
    for path in sorted(path for path in run.rglob("*") if path.is_file()):
        name, content = str(path.relative_to(run)), path.read_bytes()
        for kind in ("pickle", KINDS.get(path.suffix, "protocol 0")):
            yield f"{name}: {kind}", path, ready[kind]
        if path.suffix == ".yaml":
            yield f"{name}: yaml added", path, content + ready["yaml"]
        if not zipfile.is_zipfile(path):
            continue
        everything = content
        for number, member in enumerate(zipfile.ZipFile(path).namelist()):
            for kind in MEMBERS.get(Path(member).suffix, ("pickle", "sb3 data")):
                if number < most:
                    yield (
                        f"{name}/{member}: {kind}",
                        path,
                        with_member(content, member, ready[kind]),
                    )
            everything = with_member(everything, member, ready[kind])
        yield f"{name}: all members", path, everything


def with_member(archive: bytes, name: str, content: bytes) -> bytes:
    """Return a zip archive with a member replaced or added."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(made, "w") as new:
        for member in old.namelist():
            if member != name:
                new.writestr(member, old.read(member))
        new.writestr(name, content)
    return made.getvalue()


def put(path: Path, content: bytes) -> None:
    """Write a file, with its digest in the manifest or the checkpoint: an attacker can do sums."""
    sums = path.with_name(run_files.SUMS)
    if path != sums and sums.is_file():
        listed = json.loads(sums.read_text())
        listed["files"][path.name] = hashlib.sha256(content).hexdigest()
        sums.write_text(json.dumps(listed))
    (run_files.write if in_manifest(path) else Path.write_bytes)(path, content)


def in_manifest(path: Path) -> bool:
    run = next((p for p in path.parents if (p / run_files.MANIFEST).is_file()), None)
    if run is None or path.name == run_files.MANIFEST:
        return False
    return path.relative_to(run).as_posix() in run_files.read_manifest(run).files
