"""A folder that is watched: a state as CSV comes in, a day's proposals lie beside it."""

import json
import os
import threading
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from commands.order_output import as_csv
from commands.remote_orders import COLUMNS, calendar_of, request_of
from commands.stock_state import written_on
from common.console import screen, spreadsheet_file
from common.errors import InputError, short, validated
from common.files import write_whole
from demand.sheet import read_sheet
from service.decisions import Decisions
from service.requests import DecisionRequest

DONE, REFUSED, CALENDAR = "done", "refused", "calendar.csv"
SECONDS = 2.0
USER = "inbox"


class Inbox:
    """Decides every file that is put into a folder.

    A file is taken when it has not changed for two looks; give it its name when it is complete. It
    moves to ``done/`` with ``<name>.orders.csv`` beside it, or to ``refused/`` with
    ``<name>.error.txt``. ``calendar.csv`` stays: it says what is known ahead, as for ``decide.py
    --calendar``, and counts for every state.

    Parameters
    ----------
    folder : Path
        The folder, which must exist.
    decisions : Decisions
        Who decides.

    Raises
    ------
    InputError
        If there is no such folder.
    """

    def __init__(self, folder: Path, decisions: Decisions) -> None:
        if not folder.is_dir():
            raise InputError(f"--inbox {folder}: no such folder")
        self._folder, self._decisions = folder, decisions
        self._seen: dict[str, tuple[int, int]] = {}

    def watch(self, stop: threading.Event) -> None:
        """Look every two seconds until told to stop."""
        while not stop.wait(SECONDS):
            try:
                self.look()
            except (OSError, SQLAlchemyError) as error:  # it is tried again, and others go on
                text = " ".join(str(getattr(error, "orig", None) or error).split())
                screen.print(f"{self._folder}: {short(text, 200)}", soft_wrap=True)

    def look(self) -> list[str]:
        """Decide what is complete; return the files' names."""
        taken, present = [], {}
        for path in sorted(self._folder.glob("*.csv")):
            if path.is_symlink() or not path.is_file() or path.name == CALENDAR:
                continue
            about = path.stat()
            mark = about.st_size, about.st_mtime_ns
            if self._seen.get(path.name) == mark:
                self._take(path)
                taken.append(path.name)
            else:
                present[path.name] = mark
        self._seen = present
        return taken

    def _take(self, path: Path) -> None:
        try:
            mark, written = self._decisions.known.source.decimal, written_on(path)
            body = request_of(read_sheet(path), decimal=mark, written=written)
            if (calendar := self._folder / CALENDAR).is_file():
                body["calendar"] = calendar_of(read_sheet(calendar))
            answer = self._decisions.decide(USER, validated(DecisionRequest, body))
            decision = json.loads(answer.content)
            rows = [{name: order[name] for name in COLUMNS} for order in decision["orders"]]
            for note in decision.get("notes", ()):
                screen.print(f"{path.name}: {note}", soft_wrap=True)
            home, suffix, content = DONE, "orders.csv", spreadsheet_file(as_csv(rows))
        except InputError as error:
            text = str(error).replace("(--calendar)", f"({CALENDAR} in the inbox)")
            line = f"{text}\n".encode(errors="backslashreplace")
            home, suffix, content = REFUSED, "error.txt", line
        target = self._folder / home
        target.mkdir(exist_ok=True)
        write_whole(target / f"{path.stem}.{suffix}", content)
        os.replace(path, target / path.name)  # noqa: PTH105
