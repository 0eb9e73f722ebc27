"""The files of a run folder: every name in it, its lock, and how a file gets there and back.

What a policy or training depends on is written by `write` and read by `read`. Both keep to the
run's manifest, which holds the SHA-256 of every such file: a file that was altered, added or taken
away is refused. With a key in the environment (``RUN_KEY``) the manifest and all checkpoints are
signed (HMAC), so that nobody without the key can alter them unnoticed.
"""

import errno
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import Field, ValidationError

from common.errors import FrozenModel, InputError, UnreadableError
from common.files import read_bytes, write_whole
from common.locks import folder_locked

ModelFile = Literal["model.zip", "best_model.zip"]

CONFIG = "config.yaml"
FINAL: ModelFile = "model.zip"
BEST: ModelFile = "best_model.zip"
WEIGHTS, STATISTICS = "policy.pth", "normalizer.npz"
"""Members of a model's file; SB3 passes over the second, so they are replaced together."""

VERSIONS = "versions.json"
TUNED = "tuned.json"
RECOMMENDATION, ADVICE = "recommendation.json", "recommendation.md"
ADVICE_PAGE = "recommendation.html"
"""Whom a run orders by, for `decide.py` and for people."""

RANGES, EXPORTED = "observation_range.json", "exported.json"
MANIFEST = "manifest.json"
PROGRESS = "progress.csv"
CARD = "README.md"
EVENTS = "events.out.tfevents.*"
PLAYERS = "players"
AGENT, RULES = "agent", "rules.yaml"
"""Run of the agent where `recommend.py` recommends a rule, and configuration of the rules else."""

START = "start"
"""Where the models lie that a run begins with; it is laid out as a run folder."""

CHECKPOINTS = "checkpoints"
STATE, ARRAYS, SUMS = "state.json", "arrays.npz", "sha256.json"
"""What a checkpoint consists of, besides copies of other files."""

LOCK, MANIFEST_LOCK = ".lock", ".manifest.lock"
LOCKS = frozenset((LOCK, MANIFEST_LOCK))

_PHASE = re.compile(r"phase_[1-4]")
_SEED = re.compile(r"seed_(\d{1,10})", re.ASCII)
_BEFORE = re.compile(
    rf"{AGENT}|{START}|{PLAYERS}|phase_[1-4]\.yaml|{re.escape(MANIFEST)}|\..*\.tmp"
)
"""What is written before the configuration."""

_HALF_WRITTEN = re.compile(
    r"\.(config\.yaml|(versions|manifest|observation_range)\.json|phase_\d\.yaml|README\.md"
    r"|\w*model\.zip)\.[0-9a-f]{16}\.tmp"
)

KEY = "RUN_KEY"
MAX_BYTES = 1_000_000
"""Of a manifest, and of any other of the JSON files."""


def phase_folder(root: Path, phase: int) -> Path:
    """Return where a phase of a run lies."""
    return root / f"phase_{phase}"


def phase_plan(root: Path, phase: int) -> Path:
    """Return where the configuration of a phase stands before it begins."""
    return root / f"phase_{phase}.yaml"


def is_phase(folder: Path) -> bool:
    """Return whether a folder is named as a phase of a run."""
    return _PHASE.fullmatch(folder.name) is not None


def seed_folder(root: Path, seed: int) -> Path:
    """Return where the run of a seed lies, among those of several."""
    return root / f"seed_{seed}"


def seed_folders(root: Path) -> list[Path]:
    """Return the runs of the seeds that a folder holds, in the order of the seeds."""
    found = {path: _SEED.fullmatch(path.name) for path in root.glob("seed_*")}
    known = {path: int(match[1]) for path, match in found.items() if match}
    return sorted(known, key=lambda path: known[path])


def evaluation_file(folder: Path, scenario: str | None) -> Path:
    """Return where an evaluation of a run, or of a scenario, is written."""
    return folder / f"evaluation{'' if scenario is None else f'_{scenario}'}.json"


def graph_file(folder: Path, player: str) -> Path:
    """Return where the network of a player is exported to."""
    return folder / f"{player}.onnx"


def report_stem(*, seeds: bool, scenario: str | None) -> str:
    """Return the name of a report's page and folder, without a suffix."""
    return "_".join(part for part in ("report", "seeds" if seeds else "", scenario or "") if part)


def is_before_configuration(name: str) -> bool:
    """Return whether a name is of what a run writes before it is complete."""
    return name in LOCKS or _BEFORE.fullmatch(name) is not None


def clear_temporary(folder: Path) -> None:
    """Remove what a process was writing to a run's folder when it was killed.

    Not what evaluation writes, which may be at work.
    """
    for home, _, files in os.walk(folder):
        for name in filter(_HALF_WRITTEN.fullmatch, files):
            Path(home, name).unlink()


class Manifest(FrozenModel):
    """What a run consists of.

    Attributes
    ----------
    run : str
        A random name, which stays with the run wherever it is moved.
    files : dict
        Digests by the file's path in the run. While a file is being replaced there are two, of
        the old one (None if there was none) and of the new one.
    data : str or None
        Digest of the days of a data file that training used.
    signature : str or None
        HMAC of the others.
    """

    run: str = ""
    files: dict[str, tuple[str | None, ...]] = Field(default_factory=dict)
    data: str | None = None
    signature: str | None = None

    def content(self) -> dict[str, Any]:
        """Return what is signed."""
        return self.model_dump(mode="json", exclude={"signature"})


def run_of(folder: Path) -> Path:
    """Return the run that a folder belongs to: its own, or of which it is a player or a phase."""
    here, run = folder, folder
    while here.name in (START, PLAYERS) or here.parent.name == PLAYERS or is_phase(here):
        here = here.parent
        if (here / MANIFEST).exists():
            run = here
    return run


def read_manifest(run: Path) -> Manifest:
    """Return a run's manifest.

    Raises
    ------
    InputError
        If there is none, it is damaged, or its signature is not that of the key.
    """
    path = run / MANIFEST
    if not path.exists():
        raise InputError(
            f"{run}: holds no {MANIFEST}; it was trained by an earlier version, or is only a part "
            "of a run: train it again"
        )
    try:
        manifest = Manifest.model_validate_json(read_bytes(path, MAX_BYTES))
    except ValidationError:
        raise InputError(f"{path}: damaged; restore the run from a copy or train again") from None
    check_signature(manifest.content(), manifest.signature, path)
    return manifest


def read(path: Path, limit: int) -> bytes:
    """Read a file of a run, which must be as the run wrote it.

    One that another process replaces meanwhile is read again.

    Raises
    ------
    InputError
        If it is missing, larger than `limit` bytes, none of the run's, or altered.
    """
    run = run_of(path.parent)
    before: Manifest | None = None
    while (manifest := read_manifest(run)) != before:
        known, before = manifest.files.get(_name(path, run)), manifest
        content = read_bytes(path, limit)
        if known is not None and hashlib.sha256(content).hexdigest() in known:
            return content
    if known is None:
        raise InputError(f"{path}: is none of the run's files ({MANIFEST}); remove it")
    raise InputError(
        f"{path}: was altered after the run wrote it ({MANIFEST}); restore it or train again"
    )


def exists(path: Path) -> bool:
    """Return whether a run has a file, which may have been taken away since."""
    run = run_of(path.parent)
    manifest = (run / MANIFEST).exists() and read_manifest(run)
    known = manifest.files.get(_name(path, run), (None,)) if manifest else (None,)
    return path.is_file() or None not in known


def write(path: Path, content: bytes) -> None:
    """Write a file of a run and its digest, so that a kill at any moment leaves both in order.

    Raises
    ------
    InputError
        If the run is signed and the key is not there.
    OSError
        If the folder cannot be written.
    """
    digest = hashlib.sha256(content).hexdigest()
    with _changing(path) as (record, known):
        record((*(known or (None,))[-1:], digest))
        write_whole(path, content)
        record((digest,))


def players(folder: Path) -> list[str]:
    """Return the players that have a folder in a run, or should have one."""
    home, run = folder / PLAYERS, run_of(folder)
    names = {path.name for path in home.glob("*")}
    if (run / MANIFEST).exists():
        within = f"{_name(home, run)}/"
        files = [name for name in read_manifest(run).files if name.startswith(within)]
        names |= {name.removeprefix(within).partition("/")[0] for name in files}
    return sorted(names)


def remove(path: Path) -> None:
    """Remove a file of a run and its digest."""
    with _changing(path) as (record, known):
        if known:
            record((*known[-1:], None))
        path.unlink(missing_ok=True)
        record(())


def write_beside(path: Path, content: bytes) -> None:
    """Write a file that a run can do without: unsigned ones are left out of account later."""
    run = run_of(path.parent)
    signed = (run / MANIFEST).exists() and read_manifest(run).signature
    tracked = (run / MANIFEST).exists() and bool(os.environ.get(KEY) or not signed)
    (write if tracked else write_whole)(path, content)


def read_beside(path: Path, limit: int) -> bytes:
    """Read such a file, which need not lie in a run."""
    tracked = (run_of(path.parent) / MANIFEST).exists()
    return (read if tracked else read_bytes)(path, limit)


def begin(folder: Path) -> None:
    """Give a new run its manifest; a phase of a run that has one begins with nothing in it."""
    run = run_of(folder)
    manifest = Manifest(run=secrets.token_hex(16)) if run == folder else read_manifest(run)
    within = f"{_name(folder, run)}/"
    files = {name: d for name, d in manifest.files.items() if not name.startswith(within)}
    with _manifest_locked(run):
        _write_manifest(run, manifest.model_copy(update={"files": files}))


def take_agent(folder: Path) -> None:
    """Move the run of an agent from `AGENT` into the folder itself, its configuration last."""
    home = folder / AGENT
    names = {path.name for path in home.iterdir()} - LOCKS - {CONFIG}
    for name in (*sorted(names), CONFIG):
        (home / name).replace(folder / name)
    shutil.rmtree(home)


def record_data(folder: Path, digest: str | None) -> None:
    """Keep the digest of the days of a data file that a run trains on."""
    run = run_of(folder)
    with _manifest_locked(run):
        _write_manifest(run, read_manifest(run).model_copy(update={"data": digest}))


@contextmanager
def _changing(path: Path) -> Iterator[tuple[Any, tuple[str | None, ...] | None]]:
    """Give what records a file's digests, and those that it has now."""
    run = run_of(path.parent)
    name = _name(path, run)
    with _manifest_locked(run):
        manifest = read_manifest(run)
        if manifest.signature and not os.environ.get(KEY):
            raise InputError(f"{run}: is signed; set {KEY} to write to it")

        def record(digests: tuple[str | None, ...]) -> None:
            files = {**manifest.files, name: digests}
            files = {key: value for key, value in files.items() if value}
            _write_manifest(run, manifest.model_copy(update={"files": files}))

        yield record, manifest.files.get(name)


def _write_manifest(run: Path, manifest: Manifest) -> None:
    signed = manifest.model_copy(update={"signature": signature_of(manifest.content())})
    write_whole(run / MANIFEST, signed.model_dump_json(indent=2).encode())


def _name(path: Path, run: Path) -> str:
    return path.relative_to(run).as_posix()


def place_of(folder: Path) -> str:
    """Return which part of which run a folder is, for what is signed for it alone."""
    run = run_of(folder)
    name = read_manifest(run).run if (run / MANIFEST).exists() else ""
    return f"{name}/{_name(folder, run)}"


def signature_of(value: Mapping[str, Any]) -> str | None:
    """Return the HMAC of plain values under the key, None without one."""
    key = os.environ.get(KEY)
    content = json.dumps(value, sort_keys=True).encode()
    return hmac.new(key.encode(), content, "sha256").hexdigest() if key else None


def check_signature(value: Mapping[str, Any], signature: str | None, path: Path) -> None:
    """Refuse what is not signed with the key, if there is one.

    Raises
    ------
    UnreadableError
        If it is not; nothing is known of its content then.
    """
    own = signature_of(value)
    if own is not None and not hmac.compare_digest(own.encode(), str(signature).encode()):
        kind = "was altered or signed with another key" if signature else "is not signed"
        raise UnreadableError(f"{path}: {kind} ({KEY}); restore the run or train again")


@contextmanager
def _manifest_locked(run: Path) -> Iterator[None]:
    """Let one process at a time change the manifest; each does so for moments only."""
    if not run.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(run))
    try:
        with FileLock(run / MANIFEST_LOCK, timeout=60):
            yield
    except Timeout:
        raise InputError(f"{run}: another process keeps its {MANIFEST}; try again") from None


@contextmanager
def hold_lock(folder: Path) -> Iterator[None]:
    """Keep every other process out of a run folder while this one trains in it.

    The lock goes with the process, however it ends; the file that carries it stays.

    Raises
    ------
    InputError
        If another process holds it, or the folder cannot be written.
    """
    with ExitStack() as held:
        try:
            held.enter_context(FileLock(folder / LOCK, timeout=0))
            held.enter_context(folder_locked(folder))
        except (Timeout, BlockingIOError):
            raise InputError(
                f"{folder}: another process is training in it; wait for its end, or stop it"
            ) from None
        except OSError as error:
            raise InputError(f"{folder}: cannot be written: {_why(error)}") from None
        yield


def _why(error: OSError) -> str:
    linked = error.errno == errno.ELOOP
    link = f"its {LOCK} is a symbolic link; remove it"
    return link if linked else f"{error.strerror}; mend that, or train in another folder"
