"""The settings of a run, validated: all but the problem's parameters and the hyperparameters."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, get_origin

from pydantic import AfterValidator, Field, model_validator

from agents.algorithms import ALGORITHMS
from common.errors import FrozenModel, InputError, fields_at, nearest, short

MAX_EPISODES = 1_000_000
MAX_SEEDS = 10_000
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


def _known_device(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", name, re.ASCII):
        raise ValueError("must be cpu, cuda, cuda:1 (the second one), mps or auto")
    return name


class ObservationSettings(FrozenModel):
    """What the agent sees; `step` adds the share of the episode that has passed.

    `scale` divides entries where `normalize` is ``fixed``; None means the problem's own scale, and
    a problem without one leaves them undivided.
    """

    normalize: Literal["none", "fixed", "running"] = "fixed"
    scale: Annotated[tuple[Annotated[float, Field(gt=0)], ...] | None, Field()] = None
    step: bool = False

    @model_validator(mode="after")
    def _scale_is_used(self) -> "ObservationSettings":
        if self.scale is not None and self.normalize != "fixed":
            raise ValueError(
                f"scale has no meaning where normalize is {self.normalize}; set "
                "observation.normalize=fixed, or leave it out"
            )
        return self


class ShapingSettings(FrozenModel):
    """Advice of a rule within the rewards of training (`wrappers.shaping`): none by default.

    `rule` is one of the stores' baselines, `values` are the parameters of a tuned one, found by
    tuning if not given; both are written in full to the run's configuration when training begins.
    `weight` is money per unit of difference between an order and the rule's.
    """

    rule: Annotated[str, Field(max_length=100)] = "none"
    values: Annotated[dict[str, float], Field(max_length=100)] = Field(default_factory=dict)
    weight: Annotated[float, Field(gt=0, le=1e6)] = 1.0


class RewardSettings(FrozenModel):
    """The reward that the agent gets, in training only: ``(reward + shift) * scale``.

    ``auto`` takes shift and scale from play on training traces, once, before training;
    `calibration` selects random play, or stores that follow the newsvendor rule. `expected` trains
    on the reward's expectation over the law of demand (``auto``: where training has such a law),
    `standardize` standardises within each minibatch (off-policy), `normalize` divides by a running
    standard deviation, `shaping` adds a rule's advice.
    """

    shift: float | Literal["auto"] = 0.0
    scale: Annotated[float, Field(gt=0)] | Literal["auto"] = 1.0
    calibration: Literal["random", "newsvendor"] = "random"
    normalize: Literal["none", "running"] = "none"
    expected: bool | Literal["auto"] = False
    standardize: bool = False
    shaping: ShapingSettings = ShapingSettings()


class StageSettings(FrozenModel):
    """Problem parameters that hold from `start` on."""

    start: Annotated[int, Field(ge=0)]
    parameters: dict[str, Any]


class CurriculumSettings(FrozenModel):
    """Stages of training, in order, counted in episodes or steps over all worlds."""

    unit: Literal["episodes", "steps"] = "episodes"
    stages: Annotated[tuple[StageSettings, ...], Field(max_length=1000)] = ()

    @model_validator(mode="after")
    def _in_order(self) -> "CurriculumSettings":
        starts = [stage.start for stage in self.stages]
        if starts and (starts[0] != 0 or starts != sorted(set(starts))):
            raise ValueError("stages must start at 0 and then at rising numbers")
        return self


class EvaluationSettings(FrozenModel):
    """How the best model is selected: every `every` steps, on `episodes` validation traces.

    Where several learners take turns, it is selected after each round of turns.

    `pictures` is the number of times in training that an episode of the supply chain is drawn for
    TensorBoard.
    """

    every: Annotated[int, Field(ge=1)] = 5_000
    episodes: Annotated[int, Field(ge=1, le=MAX_EPISODES)] = 500
    pictures: Annotated[int, Field(ge=0, le=1000)] = 2


class StopSettings(FrozenModel):
    """When to stop early, schedules unchanged: at a gap on validation traces, or at a step.

    Where several learners take turns, training stops after a turn, and steps count for all
    learners together.
    """

    gap: float | None = None
    step: Annotated[int, Field(ge=1)] | None = None


class CheckpointSettings(FrozenModel):
    """How often training is saved to be resumed: every `every` steps, counted over all worlds.

    ``auto`` saves at most once a second, later once a minute, and seldom enough to take no more
    than a fiftieth of the time. Saving does not change what is learned.
    """

    every: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"


class OffsetSettings(FrozenModel):
    """The rule whose level offsets move (``parameters.store.action = offset``).

    `rule` is one of a file's baselines, ``auto`` the best of them on the days before the split
    (`baselines.rule_choice.best_rule`); `values` are the parameters of a tuned one, found by tuning
    if not given. Both are written in full to the run's configuration when training begins. With
    `in_units` orders up to the moved level are in whole units where demand comes in whole units,
    and otherwise in any quantity, instead of the nearest quantity on offer.
    """

    rule: Annotated[str, Field(max_length=100)] = "auto"
    values: Annotated[dict[str, float], Field(max_length=100)] = Field(default_factory=dict)
    in_units: bool = False


class TeamSettings(FrozenModel):
    """Which agents of the supply chain learn, and with how many models.

    `learn` is a tier, or ``all``. `policy` is ``shared``: one model that serves every store;
    ``joint``: one model that decides for all stores at once; or ``independent``: one model per
    store. Where several models learn, they take turns, `turns` each, while the others are frozen.
    `goal` is the learner's own return, or that of all agents together: then agents that do not
    learn follow the rules tuned for all (`tuned_system` or `tuned_system_echelon`), not the
    reference rules.
    """

    learn: Literal["store", "warehouse", "supplier", "all"] = "store"
    policy: Literal["shared", "joint", "independent"] = "shared"
    goal: Literal["own", "system"] = "own"
    turns: Annotated[int, Field(ge=1, le=10_000)] = 10


AutomaticSetting = Literal["reward.shift", "reward.scale", "reward.expected"]


class RunSettings(FrozenModel):
    """All settings of a run except the problem's parameters and the hyperparameters."""

    problem: str = "cash"
    algo: str = "dqn"
    recipe: str = "default"
    seed: Seed = 0
    timesteps: Annotated[int, Field(ge=1, le=10**12)] = 50_000
    n_envs: Annotated[int, Field(ge=1, le=65_536)] = 16
    device: Annotated[str, AfterValidator(_known_device)] = "cpu"
    observation: ObservationSettings = ObservationSettings()
    reward: RewardSettings = RewardSettings()
    curriculum: CurriculumSettings = CurriculumSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    stop: StopSettings = StopSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
    team: TeamSettings = TeamSettings()
    offset: OffsetSettings = OffsetSettings()
    phases: tuple[Annotated[int, Field(ge=1, le=4)], ...] = ()
    seeds: Annotated[tuple[Seed, ...], Field(max_length=MAX_SEEDS)] = ()
    """Seeds of a folder that holds a run for each of them."""
    asked: dict[AutomaticSetting, Literal["auto"]] = Field(default_factory=dict)
    """Settings that were given as ``auto``; they hold the resolved values."""

    def with_numbers(self, numbers: Mapping[str, Any]) -> "RunSettings":
        """Return settings with numbers in place of the reward's ``auto``, and note which."""
        asked = {f"reward.{n}": "auto" for n in numbers if getattr(self.reward, n) == "auto"}
        reward = self.reward.model_copy(update=dict(numbers))
        return self.model_copy(update={"reward": reward, "asked": {**self.asked, **asked}})


def take_section(tree: dict[str, Any], name: str, fields: Iterable[str]) -> dict[str, Any]:
    """Take a section such as ``hyperparameters`` out of a run's tree, in which it may be missing.

    Raises
    ------
    InputError
        If it is not a mapping, or one of its `fields` stands outside of it.
    """
    section = tree.pop(name, None)
    section = {} if section is None else section
    if not isinstance(section, Mapping):
        raise InputError(f"{name} = {short(section)}: must be a mapping of names to values")
    astray = [key for key in fields if key in tree and key not in RunSettings.model_fields]
    if astray:
        raise InputError(f"unknown key {short(astray[0])}; it belongs under {name}")
    return dict(section)


def unknown_setting(key: str, name: str, problem: str, algo: str) -> InputError:
    """Return the error for a `key` whose first `name` is not a setting of the run.

    It says where a setting of this name exists: deeper, in another problem or another algorithm.
    Only if there is none is the name treated as misspelt.
    """
    from envs.problems import PROBLEMS  # here: --help answers at once

    models = (RunSettings, PROBLEMS[problem].parameters, ALGORITHMS[algo].settings)
    deeper = dict.fromkeys(
        f"{field}{'[0]' if get_origin(info.annotation) is tuple else ''}.{name}"
        for model in models
        for field, info in model.model_fields.items()
        if key in fields_at(model, (field,))
    )
    problems = [p.name for p in PROBLEMS.values() if name in p.parameters.model_fields]
    algos = [own for own, a in ALGORITHMS.items() if name in a.settings.model_fields]
    if deeper:
        hint = f"; did you mean {' or '.join(deeper)}?"
    elif problems:
        hint = f"; it belongs to --problem {', '.join(problems)}"
    elif algos:
        hint = f"; it belongs to --algo {', '.join(algos)}"
    else:
        hint = nearest(name, {field for model in models for field in model.model_fields})
    return InputError(f"unknown key {short(key)}{hint}")
