"""Which runs decide: the champion's orders count, the candidate decides in its shadow."""

import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import sqlalchemy as sql
from sqlalchemy.engine import Connection

from commands.decide import folder_of, load_decider
from commands.judging.checkpoints import manifest_digest
from commands.orders import Decider
from common.console import screen
from common.errors import InputError
from service.drift import Drift
from service.exported_run import is_exported, load_exported
from service.service_curve import PlayedCurve
from service.store import audit_log
from service.store.database import Database, now
from service.store.order_book import ConflictError
from service.store.tables import POLICIES

Slot = Literal["champion", "candidate"]
CHAMPION: Slot = "champion"
CANDIDATE: Slot = "candidate"
NOBODY = ""
"""Run of a candidate that was taken away."""


@dataclass(frozen=True, eq=False)
class LoadedRun:
    """A run that decides.

    Attributes
    ----------
    folder : Path
        The run's folder.
    manifest : str
        Digest of its manifest when it was loaded; its files were held against that.
    decider : Decider
        Its policy and the rule beside it.
    drift : Drift
        Tells whether demand has left what it was trained on.
    lock : Lock
        Held while it decides: a policy reads one morning at a time.
    """

    folder: Path
    manifest: str
    decider: Decider
    drift: Drift
    lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def curve(self) -> PlayedCurve:
        """What better service costs."""
        return PlayedCurve(self.decider)

    def is_unaltered(self) -> bool:
        """Return whether the manifest on the disk is still that which was loaded."""
        try:
            return manifest_digest(self.folder) == self.manifest
        except (InputError, OSError):
            return False


def load(checkpoint: str, baseline: str | None = None) -> LoadedRun:
    """Return a run, checked and ready to decide; an exported one needs no torch.

    Raises
    ------
    InputError
        If it is none, was altered, or is of another problem, or torch is needed and not there.
    """
    folder = Path(checkpoint)
    if is_exported(folder):
        folder = folder.resolve()
        digest = manifest_digest(folder)
        decider = load_exported(folder, baseline)
    else:
        folder = folder_of(checkpoint).resolve()
        digest = manifest_digest(folder)
        try:
            decider = load_decider(str(folder), baseline)
        except ModuleNotFoundError as error:  # torch, unless the run orders by a rule
            raise InputError(
                f"{checkpoint}: needs {error.name}, which is not installed; where it is, python "
                "export.py --checkpoint RUN --onnx FOLDER makes a folder that needs none"
            ) from None
    decider.warm_up()
    return LoadedRun(folder, digest, decider, Drift(decider.known))


class Policies:
    """The runs that names point to, and the way back.

    Parameters
    ----------
    base : Database
        Which keeps what each name pointed to, and when.
    baseline : str, optional
        The rule beside every run; by default the best on its selection period.
    """

    def __init__(self, base: Database, baseline: str | None = None) -> None:
        self._base, self._baseline = base, baseline
        self._loaded: dict[Slot, LoadedRun] = {}
        self._changing = threading.Lock()

    def champion_of(self, checkpoint: str | None) -> str:
        """Return the run to begin with: `checkpoint`, else the last champion.

        Raises
        ------
        InputError
            If there is neither.
        """
        with self._base.reading() as connection:
            champion = checkpoint or _newest(connection, CHAMPION)
        if not champion:
            raise InputError("no policy was named yet; say --checkpoint RUN")
        return champion

    def start(self, checkpoint: str | None) -> None:
        """Load what the names point to; `checkpoint` becomes the champion where it is not.

        Raises
        ------
        InputError
            If no run was ever named, or the champion cannot be loaded.
        """
        with self._base.reading() as connection:
            kept = {slot: _newest(connection, slot) for slot in (CHAMPION, CANDIDATE)}
        run = load(self.champion_of(checkpoint), self._baseline)
        if str(run.folder) != kept[CHAMPION]:
            self._point("serve.py", CHAMPION, run, "champion")
            if kept[CHAMPION]:
                said = f"champion: {run.folder}, in place of {kept[CHAMPION]}; without --checkpoint"
                screen.print(f"{said} the last champion stays", soft_wrap=True)
        self._loaded[CHAMPION] = run
        if kept[CANDIDATE] and kept[CANDIDATE] != str(run.folder):
            try:
                self._loaded[CANDIDATE] = load(kept[CANDIDATE], self._baseline)
            except InputError as error:  # whose orders do not count
                screen.print(f"no candidate: {error}", soft_wrap=True)

    @property
    def champion(self) -> LoadedRun:
        """Whose orders count.

        Raises
        ------
        InputError
            If none is loaded yet.
        """
        if CHAMPION not in self._loaded:
            raise InputError("the policy is being loaded; try again")
        return self._loaded[CHAMPION]

    @property
    def candidate(self) -> LoadedRun | None:
        """Who decides in the champion's shadow, if anybody does."""
        return self._loaded.get(CANDIDATE)

    def check_champion(self, connection: Connection, run: LoadedRun) -> None:
        """Refuse orders of a run that is the champion no longer.

        Raises
        ------
        ConflictError
            If another became it meanwhile, or by another server on this database.
        """
        newest = _newest(connection, CHAMPION)
        if newest not in (NOBODY, str(run.folder)):
            raise ConflictError(
                f"{Path(newest).name} was made the champion in place of {run.folder.name}; ask "
                "again, and if this stays, start this server anew: another one changed it"
            )

    def is_ready(self) -> bool:
        """Return whether there is a champion."""
        return CHAMPION in self._loaded

    def nominate(self, user: str, run: str) -> LoadedRun:
        """Let a run beside the champion's decide in its shadow.

        Raises
        ------
        InputError
            If it cannot be loaded, or decides for other stores or products.
        """
        with self._changing:
            beside = self.champion.folder.parent
            if not (beside / run).is_dir():
                raise InputError(f"run {run}: no such folder beside the champion's")
            if (beside / run).samefile(self.champion.folder):
                raise InputError(f"run {run}: is the champion; name another run")
            loaded = load(str(beside / run), self._baseline)
            ours, theirs = self.champion.decider.known.table, loaded.decider.known.table
            if (ours.stores, ours.skus) != (theirs.stores, theirs.skus):
                raise InputError(f"run {run}: decides for other stores or products")
            self._point(user, CANDIDATE, loaded, "nominate")
            self._loaded[CANDIDATE] = loaded
            return loaded

    def promote(self, user: str) -> LoadedRun:
        """Make the candidate the champion; the next decision is its own.

        Raises
        ------
        InputError
            If there is none, or it was altered since.
        """
        with self._changing:
            run = self._loaded.get(CANDIDATE)
            if run is None:
                raise InputError("there is no candidate; name one first")
            if not run.is_unaltered():
                raise InputError(f"run {run.folder.name}: was altered since it was named")
            self._point(user, CHAMPION, run, "promote")
            self._point(user, CANDIDATE, None, "promote")
            self._loaded = {CHAMPION: run}
            return run

    def roll_back(self, user: str) -> LoadedRun:
        """Make the champion before this one the champion again.

        Raises
        ------
        InputError
            If there was none, or it cannot be loaded any more.
        """
        with self._changing:
            with self._base.reading() as connection:
                query = sql.select(POLICIES.c.run).where(POLICIES.c.name == CHAMPION)
                runs = list(connection.execute(query.order_by(POLICIES.c.id)).scalars())
            before = _before(runs)
            if before is None:
                raise InputError("there was no other champion before this one")
            run = load(before, self._baseline)
            self._point(user, CHAMPION, run, "roll_back")
            self._loaded[CHAMPION] = run
            return run

    def _point(self, user: str, slot: Slot, run: LoadedRun | None, event: str) -> None:
        folder, manifest = (str(run.folder), run.manifest) if run else (NOBODY, NOBODY)
        row = {"name": slot, "run": folder, "manifest": manifest, "time": now(), "user": user}
        said = {"policy": slot, "run": Path(folder).name, "manifest": manifest}
        with self._base.writing() as connection:
            connection.execute(POLICIES.insert(), row)
            audit_log.append(connection, user, [(event, slot, said)])


def _newest(connection: Connection, slot: Slot) -> str:
    query = sql.select(POLICIES.c.run).where(POLICIES.c.name == slot)
    return connection.execute(query.order_by(POLICIES.c.id.desc()).limit(1)).scalar() or NOBODY


def _before(runs: list[str]) -> str | None:
    """Return the champion before the last one, going back further with every step back."""
    stack: list[str] = []
    for run in runs:
        if len(stack) > 1 and stack[-2] == run:
            stack.pop()
        else:
            stack.append(run)
    return stack[-2] if len(stack) > 1 else None
