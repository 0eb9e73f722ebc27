"""Stopping and saving between rollouts: signals, checkpoints that are due."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Literal

from stable_baselines3.common.callbacks import BaseCallback

from common import console

STATUS = {
    signal.Signals[name]: 128 + signal.Signals[name]
    for name in ("SIGHUP", "SIGINT", "SIGTERM")
    if hasattr(signal, name)  # Windows has no SIGHUP
}
"""Exit status after each signal: 129 when the terminal closes, 130 after Ctrl-C, 143."""


class Stopped(Exception):  # noqa: N818  (it is no error)
    """Raised between rollouts to end training early."""


class TurnOver(Exception):  # noqa: N818  (it is no error)
    """Raised between rollouts to let the next learner go on."""


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
        """Take over the signals."""
        if threading.current_thread() is threading.main_thread():
            heard = [n for n in STATUS if signal.getsignal(n) != signal.SIG_IGN]  # nohup
            self._former = {number: signal.signal(number, self._take) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        asked_before, self.status = bool(self.status), STATUS[signal.Signals(number)]
        if asked_before:
            raise KeyboardInterrupt


SAVE_SHARE = 50
"""Training lasts at least so many times as long as saving."""

SHORTEST, LONGEST, OF_ALL = 1.0, 60.0, 20
"""Seconds from one checkpoint to the next: within these, a twentieth of what has passed."""


class CheckpointSchedule:
    """When the next checkpoint is due. It looks at the clock, so it must not touch learning.

    Parameters
    ----------
    every : int or "auto"
        As `agents.settings.CheckpointSettings` has it.
    """

    def __init__(self, every: int | Literal["auto"]) -> None:
        self._every = every
        self._next = 0
        self._begun = self._last = time.perf_counter()
        self._cost = 0.0

    def begin(self, steps: int) -> None:
        """Count from here."""
        self._next = 0 if self._every == "auto" else (steps // self._every + 1) * self._every
        self._begun = self._last = time.perf_counter()

    def due(self, steps: int) -> bool:
        """Return whether to save now."""
        if self._every != "auto":
            return steps >= self._next
        now = time.perf_counter()
        pause = min(LONGEST, max(SHORTEST, (now - self._begun) / OF_ALL))
        return now - self._last >= max(pause, SAVE_SHARE * self._cost)

    def saved(self, steps: int, seconds: float) -> None:
        """Take note of a checkpoint and what it took."""
        if self._every != "auto":
            self._next = (steps // self._every + 1) * self._every
        self._last, self._cost = time.perf_counter(), seconds


class RolloutBoundary(BaseCallback):
    """Save between rollouts when it is due, and stop there after Ctrl-C.

    Parameters
    ----------
    save : callable
        Saves a checkpoint.
    steps : callable
        Steps of all learners so far.
    pace : Pace
        When to save.
    signals : StopSignals
        Whether to stop.
    """

    def __init__(
        self,
        save: Callable[[], None],
        steps: Callable[[], int],
        pace: CheckpointSchedule,
        signals: StopSignals,
    ) -> None:
        super().__init__()
        self._save, self._steps, self._pace, self._signals = save, steps, pace, signals
        self._announced = False

    def _on_rollout_start(self) -> None:
        if self._signals.status or self._pace.due(self._steps()):
            begun = time.perf_counter()
            self._save()
            self._pace.saved(self._steps(), time.perf_counter() - begun)
        if self._signals.status:
            raise Stopped

    def _on_step(self) -> bool:
        if self._signals.status and not self._announced:
            self._announced = True
            console.screen.print("stopping after this rollout; once more stops at once")
        return True


class Turn(BaseCallback):
    """Pause at the first rollout that begins at or after a number of steps.

    Schedules know the total that `learn` was called with, so a learner that takes turns is called
    with all its steps each time and paused by `TurnOver` before the rollout's first step: SB3 does
    not remember what it saw last of a step that a callback stops at.
    """

    def __init__(self) -> None:
        super().__init__()
        self.until = 0

    def _on_rollout_start(self) -> None:
        if self.num_timesteps >= self.until:
            raise TurnOver

    def _on_step(self) -> bool:
        return True
