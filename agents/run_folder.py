"""A run's folder: what is in it, written whole or not at all, and read without unpickling."""

import hashlib
import importlib.metadata
import io
import os
import platform
from pathlib import Path
from typing import Any, Literal

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from agents.config import RunConfig, from_dict, read_yaml
from agents.memory import check_memory
from agents.tensors import read_tensors, size_of
from inventory.errors import InputError, short
from inventory.files import MAX_ARCHIVE_BYTES, check_regular, read_bytes
from wrappers.normalize import running_statistics

RUNS = Path("runs")
NEWEST = "newest"
ModelFile = Literal["model.zip", "best_model.zip"]

CONFIG = "config.yaml"
FINAL: ModelFile = "model.zip"
BEST: ModelFile = "best_model.zip"
PLAYERS = "players"
STATISTICS = {FINAL: "normalizer.npz", BEST: "best_normalizer.npz"}
PACKAGES = ("stable-baselines3", "sb3-contrib", "gymnasium", "torch", "numpy", "numba")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, flush it, then rename it to `path`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)
        with temporary.open("xb") as file:  # never through a link that lies there
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def versions(**more: Any) -> dict[str, Any]:
    """Return what the result depends on besides the configuration."""
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "machine": platform.machine(), **packages, **more}


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


def players(folder: Path) -> dict[str, Path]:
    """Return the folders of all models of a run, by whom they play.

    The run's own model, if it has a single one, lies in the folder itself, all others under
    ``players/<name>/``; each of these is laid out as a run of its own. For a run of phases they
    are those of the last phase.
    """
    folder = last_phase(folder)
    found = {path.name: path for path in sorted((folder / PLAYERS).glob("*")) if _has_model(path)}
    for path in (folder, folder / PLAYERS, *found.values()):
        if path.is_symlink() and (path.name.startswith("phase_") or path != folder):
            raise InputError(f"{path}: is a symbolic link; put a copy of the folder in its place")
    if _has_model(folder):
        s = read_config(folder).settings
        found = {(s.team.learn if s.problem == "stores" else ""): folder, **found}
    return found


def phases(folder: Path) -> list[Path]:
    """Return the folders of the phases of a run that have left their models, in order."""
    found = sorted(folder.glob("phase_[1-4]"))
    return [path for path in found if (path / CONFIG).is_file() and _any_model(path)]


def last_phase(folder: Path) -> Path:
    """Return the folder of the last phase that has left its models, or `folder` without phases."""
    return next(reversed(phases(folder)), folder)


def _any_model(folder: Path) -> bool:
    return _has_model(folder) or any(_has_model(path) for path in (folder / PLAYERS).glob("*"))


def _has_model(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and any((folder / name).is_file() for name in (BEST, FINAL))


def best_of(folder: Path) -> ModelFile:
    """Return the best model's file, or the last one's where no best was kept."""
    return BEST if (folder / BEST).is_file() else FINAL


def copy_player(source: Path, target: Path) -> None:
    """Copy a player's model, with what belongs to it, into a run folder."""
    target.mkdir(parents=True, exist_ok=True)
    model = best_of(source)
    for name, new in ((CONFIG, CONFIG), (model, BEST), (STATISTICS[model], STATISTICS[BEST])):
        if (source / name).is_file():
            write_whole(target / new, read_bytes(source / name, MAX_ARCHIVE_BYTES))


def find(checkpoint: str) -> tuple[Path, ModelFile]:
    """Return the run folder and the model file that ``--checkpoint`` names.

    A folder means its best model; a ``.zip`` in a run folder means that model; ``newest`` means
    the newest folder under ``runs/``.

    Raises
    ------
    InputError
        If there is none, or it is not a run.
    """
    path = _newest() if checkpoint == NEWEST else Path(checkpoint)
    if not path.exists():
        raise InputError(f"--checkpoint {checkpoint}: no such file or folder")
    name: ModelFile = BEST
    if path.is_file():
        if path.name not in (FINAL, BEST):
            raise InputError(f"--checkpoint {checkpoint}: must be a run folder, {BEST} or {FINAL}")
        path, name = path.parent, FINAL if path.name == FINAL else BEST
    if not (path / CONFIG).is_file():
        raise InputError(f"--checkpoint {checkpoint}: not a run folder, it holds no {CONFIG}")
    path = last_phase(path)
    if name == BEST:
        name = best_of(path)
    if not (path / name).is_file() and not players(path):
        raise InputError(f"--checkpoint {checkpoint}: holds no model; did its training finish?")
    return path, name


def root_of(folder: Path, checkpoint: str) -> Path:
    """Return the run that `checkpoint` names, of which `find` gave the last phase."""
    named = checkpoint != NEWEST and Path(checkpoint).resolve() == folder.resolve()
    return folder.parent if folder.name.startswith("phase_") and not named else folder


def _newest() -> Path:
    runs = [path for path in RUNS.glob("*") if (path / CONFIG).is_file()]
    if not runs:
        raise InputError("--checkpoint: no run under runs/; train one, or name a folder")
    return max(runs, key=lambda path: (path / CONFIG).stat().st_mtime_ns)


def read_config(folder: Path) -> RunConfig:
    """Return the configuration of a run."""
    try:
        check_regular(folder / CONFIG)
        config = from_dict(read_yaml(folder / CONFIG))
        check_memory(config)
        return config
    except InputError as error:
        told = str(error).removeprefix(f"{folder / CONFIG}: ")
        raise InputError(f"{folder / CONFIG}: {told}") from None


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
