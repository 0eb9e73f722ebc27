"""The learning of a run: who takes part in it, where it stands, and how it goes on."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from agents import checkpoints, run_files
from agents.checkpoints import Checkpoint
from agents.config import RunConfig
from agents.hyperparameters import OnPolicy
from agents.run_files import BEST, FINAL, PLAYERS, PROGRESS, ModelFile
from agents.weights import save_model, weights_hash
from common.errors import InputError, NumericalError
from common.files import MAX_ARCHIVE_BYTES
from training.callbacks import EpisodePicture, ProgressBar, Scored, ShareReport, StepShare
from training.evaluator import BestGeneration, Evaluator, best_keeper
from training.learner_session import (
    LearnerSession,
    generators_state,
    load_generators_state,
    log_interval,
)
from training.learners.build import Learner, Learners, player_config
from training.logger import open_log, rows_of
from training.state_checks import check_number
from training.stopping import (
    CheckpointSchedule,
    RolloutBoundary,
    Stopped,
    StopSignals,
    Turn,
    TurnOver,
)


class Stopwatch:
    """Time spent, on the wall and of the processor, which tells more on a machine that is shared.

    Parameters
    ----------
    seconds, processor_seconds : float
        What was spent before.
    """

    def __init__(self, seconds: float = 0.0, processor_seconds: float = 0.0) -> None:
        self._spent = np.array([seconds, processor_seconds])
        self._begun: NDArray[np.float64] | None = None

    def start(self) -> None:
        """Count from now on."""
        self._begun = self._now()

    def stop(self) -> None:
        """Count no further."""
        self._spent, self._begun = self._total(), None

    @staticmethod
    def _now() -> NDArray[np.float64]:
        return np.array([time.perf_counter(), time.process_time()])

    def _total(self) -> NDArray[np.float64]:
        since = 0.0 if self._begun is None else self._now() - self._begun
        return self._spent + since

    @property
    def seconds(self) -> float:
        """On the wall."""
        return float(self._total()[0])

    @property
    def processor_seconds(self) -> float:
        """Of the processor, all threads of this process together."""
        return float(self._total()[1])


class TrainingSession:
    """One run's learning, from wherever it stands to its end.

    Parameters
    ----------
    config : RunConfig
        The run.
    folder : Path
        Its folder, which `agents.run_folder.write_start` has made complete.
    learners : Learners
        Who learns and who plays.
    evaluator : Evaluator
        Scores policies on validation traces.
    quiet : bool
        Show no progress.
    report : callable, optional
        Called with the share of the steps that is done, if nothing is shown.
    scored : callable, optional
        Told of every evaluation; it may stop training.

    Attributes
    ----------
    best : BestModel
        The best model so far.
    time : Stopwatch
        What learning took, interruptions left out.
    status : int
        Exit status of the signal that stopped it, or 0.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: Path,
        learners: Learners,
        evaluator: Evaluator,
        *,
        quiet: bool,
        report: ShareReport | None = None,
        scored: Scored | None = None,
    ) -> None:
        self._report = report
        self._config, self._folder, self._learners, self._quiet = config, folder, learners, quiet
        self._single = len(learners.learners) == 1
        self._parts = [LearnerSession(x, self._home(x)) for x in learners.learners]
        s = config.settings
        self.best = best_keeper(learners, evaluator, lambda: self.save(BEST), s, scored)
        self._picture: EpisodePicture | None = None
        if self._single and config.problem.totals and s.evaluation.pictures:
            self._picture = EpisodePicture(
                learners.policy,
                config.parameters,
                evaluator.trace,
                observe_step=s.observation.step,
                steps=max(1, s.timesteps // s.evaluation.pictures),
            )
        self._position = (0, 0)
        self.time = Stopwatch()
        self._pace, self._signals = CheckpointSchedule(s.checkpoint.every), StopSignals()
        self.status = 0

    def _home(self, learner: Learner) -> Path:
        """Return where a learner's files go, with its configuration in it."""
        if self._single:
            return self._folder
        home = self._folder / PLAYERS / learner.player
        home.mkdir(parents=True, exist_ok=True)
        text = player_config(learner).to_yaml()
        run_files.write(home / run_files.CONFIG, text.encode())
        return home

    @property
    def steps(self) -> int:
        """Environment steps of all learners so far."""
        return sum(learner.model.num_timesteps for learner in self._learners.learners)

    def save(self, name: ModelFile) -> None:
        """Write the models as they are, unless they hold NaN."""
        for part in self._parts:
            part.guard.check_weights()
        for part in self._parts:
            save_model(part.learner.model, part.learner.env, part.home / name)

    def save_checkpoint(self) -> None:
        """Write a checkpoint, unless there is one of this moment."""
        if self.steps in checkpoints.found(self._folder):
            return
        for part in self._parts:
            part.guard.check_weights()
        files: dict[str, bytes] = {}
        for number, part in enumerate(self._parts):
            files[f"{number}_{PROGRESS}"] = rows_of(part.learner.model.logger)
            if (part.home / BEST).is_file():
                files[f"{number}_{BEST}"] = run_files.read(part.home / BEST, MAX_ARCHIVE_BYTES)
        state = {
            "position": self._position,
            "seconds": self.time.seconds,
            "processor_seconds": self.time.processor_seconds,
            "best": self.best.state(),
            "picture": self._picture.next if self._picture else None,
            "generators": generators_state(),
            "parts": [part.state() for part in self._parts],
        }
        checkpoints.write(self._folder, self.steps, state, files)

    def open(self, saved: Checkpoint | None) -> None:
        """Take up the run where a checkpoint left it, or begin.

        Raises
        ------
        InputError
            If the checkpoint is of another run.
        """
        try:
            for number, part in enumerate(self._parts):
                self._open_part(number, part, saved)
            if saved is not None:
                self._load_state(saved)
        except (
            LookupError,
            TypeError,
            ValueError,
            RuntimeError,
            AttributeError,
            ArithmeticError,
        ) as e:
            why = " ".join(str(e).split())[:100]
            raise InputError(f"{self._folder}: its checkpoint is of another run: {why}") from None
        checkpoints.forget_after(self._folder, saved.steps if saved else -1)

    def _open_part(self, number: int, part: LearnerSession, saved: Checkpoint | None) -> None:
        model, files = part.learner.model, saved.files if saved else {}
        events = saved.state["parts"][number]["log"]["events"] if saved else {}
        model.set_logger(open_log(part.home, files.get(f"{number}_{PROGRESS}", b""), events))
        if saved is None:
            return
        best = files.get(f"{number}_{BEST}")
        if best is None:
            run_files.remove(part.home / BEST)
        else:
            run_files.write(part.home / BEST, best)
        part.load_state(saved.state["parts"][number])

    def _load_state(self, saved: Checkpoint) -> None:
        state = saved.state
        if self.steps != saved.steps:
            raise ValueError(f"its learners have {self.steps} steps, not {saved.steps}")
        passed = [float(state[name]) for name in ("seconds", "processor_seconds")]
        for seconds in passed:
            check_number(seconds, "seconds", 0, whole=False)
        self.time = Stopwatch(*passed)
        self.best.load_state(state["best"], passed[0])
        if self._picture is not None:
            check_number(state["picture"], "picture", 1)
            self._picture.next = state["picture"]
        turn, learner = state["position"]
        check_number(turn, "turn", 0, self._turns)
        check_number(learner, "learner", 0, len(self._parts) - 1)
        self._position = (turn, learner) if turn < self._turns else (self._reopened(), 0)
        load_generators_state(state["generators"])

    @property
    def _turns(self) -> int:
        return 1 if self._single else self._config.settings.team.turns

    def _until(self, turn: int) -> int:
        """Return the step of a learner that ends its turn."""
        share = max(1, self._config.settings.timesteps // len(self._parts))
        return share * (turn + 1) // self._turns

    def _reopened(self) -> int:
        """Return the first turn that is left when a finished run is made longer."""
        passed = min(part.learner.model.num_timesteps for part in self._parts)
        left = [turn for turn in range(self._turns) if self._until(turn) > passed]
        return left[0] if left else self._turns

    def learn(self) -> None:
        """Let the learners take turns to the end, or until a signal comes.

        Raises
        ------
        NumericalError
            If a number is not finite; the models and checkpoints saved before stay.
        """
        bar = self._progress()
        self.time.start()
        self._pace.begin(self.steps)
        try:
            with self._signals, np.errstate(over="ignore", invalid="ignore"):  # guards look
                self._take_turns(bar)
                self._position = (self._turns, 0)
        except (Stopped, KeyboardInterrupt):
            pass
        finally:
            self.status = self._signals.status
            self.time.stop()
            if bar:
                bar.close()

    def _progress(self) -> ProgressBar | StepShare | None:
        total = self._config.settings.timesteps
        if self._quiet:
            return StepShare(total, self._report) if self._report else None
        bar = ProgressBar(total, self.best, self._stage_of_training)
        bar.since(self.time.seconds)
        return bar

    @property
    def finished(self) -> bool:
        """Whether all turns are over."""
        return self._position[0] >= self._turns

    def _take_turns(self, bar: ProgressBar | StepShare | None) -> None:
        ending = Turn()
        boundary = RolloutBoundary(
            self.save_checkpoint, lambda: self.steps, self._pace, self._signals
        )
        beside: list[BaseCallback] = [self.best, *([self._picture] if self._picture else [])]
        ends = [*(beside if self._single else []), *([bar] if bar else [])]
        ends += [] if self._single else [ending]
        first = self._position
        for turn in range(first[0], self._turns):
            for number, part in enumerate(self._parts):
                if (turn, number) < first:
                    continue
                self._position = (turn, number)
                if bar:
                    bar.before = self.steps - part.learner.model.num_timesteps
                ending.until = self._until(turn)
                self.best.tags = self._tags(turn)
                self._learn_part(part, [*part.callbacks(), *ends, boundary])
            score = self.best.evaluate(self._parts[0].learner.model)
            last = self._single or turn + 1 == self._turns
            if not last and self.best.ends(self.steps, score):
                break

    def _tags(self, turn: int) -> dict[str, int]:
        """Return the phase that this run is, if it is one, and the turn, if learners take turns."""
        phase = int(self._folder.name[-1]) if run_files.is_phase(self._folder) else None
        turns = {} if self._single else {"turn": turn + 1}
        return turns if phase is None else {"phase": phase, **turns}

    def _learn_part(self, part: LearnerSession, callbacks: list[BaseCallback]) -> None:
        model: Any = part.learner.model
        share = self._until(self._turns - 1)
        interval = log_interval(part.learner.config)
        if isinstance(part.learner.config.hyperparameters, OnPolicy):
            model.log_every, interval = interval, 1
        try:
            model.learn(
                share - model.num_timesteps,
                callback=callbacks,
                log_interval=interval,
                reset_num_timesteps=model._last_obs is None,
            )
        except TurnOver:
            pass
        except NumericalError:
            raise
        except (ArithmeticError, RuntimeError, ValueError) as error:
            part.guard.explain(error)
            raise

    def _stage_of_training(self) -> str:
        """Return what the progress bar says of the stage of training."""
        turn, number = self._position
        part, turn = self._parts[number], min(turn + 1, self._turns)
        whose = "" if self._single else f"turn {turn}/{self._turns} {part.learner.player}"
        stages = part.curriculum
        of = f"stage {stages.stage + 1}/{len(stages.stages)}" if stages else ""
        generation = self.best.progress if isinstance(self.best, BestGeneration) else ""
        return " ".join(text for text in (whose, of, generation) if text)

    def facts(self) -> dict[str, Any]:
        """Return digests of the weights, the steps, the time, and how its rule did."""
        hashes = {part.learner.player: weights_hash(part.learner.model) for part in self._parts}
        weights = next(iter(hashes.values())) if self._single else hashes
        beside = self.best.facts() if isinstance(self.best, BestGeneration) else {}
        return {
            "weights": weights,
            "steps": self.steps,
            "seconds": round(self.time.seconds, 3),
            "processor_seconds": round(self.time.processor_seconds, 3),
            "finished": self.finished,
            **beside,
        }

    @property
    def verdict(self) -> str:
        """What the run says of the rule that it began with, if it began with one."""
        verdict = self.best.verdict if isinstance(self.best, BestGeneration) else ""
        return verdict.replace("{folder}", str(self._folder))

    def keep_last_good(self) -> str:
        """Write the models of the last checkpoint as the last ones; return what the run keeps."""
        best = any((part.home / BEST).is_file() for part in self._parts)
        saved, _ = checkpoints.newest(self._folder, type(self._config.parameters))
        if saved is None:
            return "the best model" if best else "no model yet"
        for part, state in zip(self._parts, saved.state["parts"], strict=True):
            part.load_state(state)
        self.save(FINAL)
        return "the best and the last good model" if best else "the last good model"

    def close(self) -> None:
        """Close the logs, as far as the disk allows."""
        for part in self._parts:
            with suppress(OSError):
                getattr(part.learner.model, "_logger", Logger(None, [])).close()
