"""Ctrl-C and SIGTERM: asked once, training stops at the end of a rollout; asked twice, at once."""

import signal
import threading
from types import FrameType
from typing import Any

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""Exit status after each signal."""


class Stopped(Exception):  # noqa: N818  (it is no error)
    """Raised between rollouts to end training early."""


class StopSignals:
    """Remember a first signal while learning, so that everything can be saved.

    Outside the main thread, where Python takes no signals, nothing is done.

    Attributes
    ----------
    status : int
        Exit status of the signal that came, or 0.
    """

    def __init__(self) -> None:
        self.status = 0
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignals":
        """Take over both signals."""
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._take) for number in STATUS}
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        asked_before, self.status = bool(self.status), STATUS[signal.Signals(number)]
        if asked_before:
            raise KeyboardInterrupt
