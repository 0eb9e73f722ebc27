"""The configuration of a run: recipe, file, flags and ``--set``, resolved and validated."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, model_validator

from agents.algorithms import ALGORITHMS
from agents.hyperparameters import Hyperparameters
from agents.yaml_text import parse_yaml
from inventory.errors import FrozenModel, InputError, choose, nearest, short, validated
from inventory.files import read_bytes
from inventory.problems import PROBLEMS, Problem

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
MAX_FILE_BYTES = 1_000_000
MAX_EPISODES = 1_000_000


class ObservationSettings(FrozenModel):
    """What the agent sees: `scale` None means the problem's own; `step` adds the time passed."""

    normalize: Literal["none", "fixed", "running"] = "fixed"
    scale: Annotated[tuple[Annotated[float, Field(gt=0)], ...] | None, Field()] = None
    step: bool = False


class RewardSettings(FrozenModel):
    """What the agent is rewarded with, in training only: ``(reward + shift) * scale``.

    ``auto`` takes shift and scale from play on training traces, once, before training; by
    `calibration` it is random play, or stores that follow the newsvendor rule. `expected` trains on
    the reward's expectation over the law of demand, `standardize` standardises within each
    minibatch (off-policy), `normalize` divides by a running deviation.
    """

    shift: float | Literal["auto"] = 0.0
    scale: Annotated[float, Field(gt=0)] | Literal["auto"] = 1.0
    calibration: Literal["random", "newsvendor"] = "random"
    normalize: Literal["none", "running"] = "none"
    expected: bool = False
    standardize: bool = False


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
    """How the best model is selected: every so many steps, on so many validation traces.

    `pictures` is how many times in training one episode of the supply chain is drawn for
    TensorBoard.
    """

    every: Annotated[int, Field(ge=1)] = 5_000
    episodes: Annotated[int, Field(ge=1, le=MAX_EPISODES)] = 500
    pictures: Annotated[int, Field(ge=0, le=1000)] = 2


class StopSettings(FrozenModel):
    """When to stop early, schedules unchanged: at this gap on validation traces, at this step."""

    gap: float | None = None
    step: Annotated[int, Field(ge=1)] | None = None


class CheckpointSettings(FrozenModel):
    """How often training is saved so that it can go on: every so many steps, over all worlds.

    ``auto`` saves at most once in a second, later once in a minute, and seldom enough to take no
    more than a fiftieth of the time. Saving changes nothing about what is learned.
    """

    every: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"


class TeamSettings(FrozenModel):
    """Who learns in the supply chain, and with how many models.

    `learn` is a tier, or ``all``. ``shared``: one model for every store; ``joint``: one model that
    decides for all stores at once; ``independent``: one model per store. Where several models
    learn, they take turns, `turns` each, while the others stand still.
    """

    learn: Literal["store", "warehouse", "supplier", "all"] = "store"
    policy: Literal["shared", "joint", "independent"] = "shared"
    turns: Annotated[int, Field(ge=1, le=10_000)] = 10


class RunSettings(FrozenModel):
    """Everything about a run but the problem's parameters and the hyperparameters."""

    problem: str = "cash"
    algo: str = "dqn"
    recipe: str = "default"
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    timesteps: Annotated[int, Field(ge=1, le=10**12)] = 50_000
    n_envs: Annotated[int, Field(ge=1, le=65_536)] = 16
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")] = "cpu"
    observation: ObservationSettings = ObservationSettings()
    reward: RewardSettings = RewardSettings()
    curriculum: CurriculumSettings = CurriculumSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    stop: StopSettings = StopSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
    team: TeamSettings = TeamSettings()
    phases: tuple[Annotated[int, Field(ge=1, le=4)], ...] = ()


class _Recipes(FrozenModel):
    recipes: dict[str, dict[str, dict[str, Any]]]
    """By name of the recipe, then by algorithm, what they set."""


class _Tiers(FrozenModel):
    tiers: dict[str, dict[str, Any]]
    """By which tier learns, what a recipe of the supply chain sets besides."""


@dataclass(frozen=True)
class RunConfig:
    """A run, resolved: `settings`, the problem's `parameters` and the `hyperparameters`."""

    settings: RunSettings
    parameters: Any
    hyperparameters: Hyperparameters

    @property
    def problem(self) -> Problem:
        """The problem that is learned."""
        return PROBLEMS[self.settings.problem]

    def stages(self) -> list[tuple[int, Any]]:
        """Return when each stage of the curriculum starts, and its parameters in full."""
        own, model = self.parameters.model_dump(), self.problem.parameters
        return [
            (stage.start, validated(model, {**own, **stage.parameters}, "curriculum"))
            for stage in self.settings.curriculum.stages
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as they stand in ``config.yaml``."""
        return {
            **self.settings.model_dump(mode="json"),
            "parameters": self.parameters.model_dump(mode="json"),
            "hyperparameters": self.hyperparameters.model_dump(mode="json"),
        }

    def to_yaml(self) -> str:
        """Return the text of ``config.yaml``."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that must hold a mapping.

    Raises
    ------
    InputError
        One line: missing, too large, not UTF-8, not YAML or not a mapping.
    """
    try:
        content = parse_yaml(read_bytes(path, MAX_FILE_BYTES, links=True).decode("utf-8"))
    except UnicodeError:
        raise InputError(f"{path}: not readable as YAML: it is not text in UTF-8") from None
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold a mapping of names to values")
    return content


def resolve(
    flags: Mapping[str, Any],
    *,
    config: Path | None = None,
    assignments: tuple[str, ...] = (),
) -> RunConfig:
    """Resolve a run: project defaults, then `config`, then flags, then ``--set``.

    Parameters
    ----------
    flags : mapping
        `RunSettings` fields given on the command line; None means not given. ``stores``,
        ``learn`` and ``policy`` are those of the supply chain, and `stores` selects it; so does
        ``demand``, a file of demand, with ``split``, ``validation``, ``fill`` and ``augment``;
        ``checkpoint_every`` is ``checkpoint.every``.
    config : Path, optional
        A file in the shape of ``configs/cash.yaml`` or of a run's ``config.yaml``.
    assignments : tuple of str
        ``key=value`` with dotted keys; a bare problem parameter or hyperparameter is found too.

    Raises
    ------
    InputError
        One line for the first thing wrong.
    """
    given = _nested_flags({k: v for k, v in flags.items() if v is not None})
    own = read_yaml(config) if config else {}
    own.pop("textbook", None)  # what a textbook says of the instance: see agents.textbook
    _relative_to(own, config)
    problem = choose("problem", str(given.get("problem", own.get("problem", "cash"))), PROBLEMS)
    if "problem" in given and own.get("problem", problem) != problem:
        raise InputError(f"{config} is about the {own['problem']} problem, not {problem}")
    base = read_yaml(CONFIGS / f"{problem}.yaml")
    usual = own.get("algo", base.get("algo", "dqn"))
    algo = choose("algorithm", str(given.get("algo", usual)), ALGORITHMS)
    recipe = str(given.get("recipe", own.get("recipe", "default")))
    layers = [(layer, _take_recipes(layer)) for layer in (base, own)]
    _check_recipe([recipes for _, recipes in layers], recipe, algo)
    tree: dict[str, Any] = {}
    for layer, recipes in layers:
        _merge(tree, layer)
        own_recipe = dict(recipes.get(recipe, {}).get(algo, {}))
        tiers = validated(_Tiers, {"tiers": own_recipe.pop("tiers", {})}, "recipes").tiers
        _merge(tree, own_recipe)
        _merge(tree, tiers.get(_learns(given, own, assignments), {}))
    _merge(tree, own)  # what the file says outright wins over its recipes
    _merge(tree, given)
    tree.update(problem=problem, algo=algo, recipe=recipe)
    for assignment in assignments:
        _assign(tree, assignment, PROBLEMS[problem], algo)
    return from_dict(tree)


def _nested_flags(given: dict[str, Any]) -> dict[str, Any]:
    """Put the flags of checkpoints and of the supply chain where they belong in the tree."""
    if "checkpoint_every" in given:
        given["checkpoint"] = {"every": given.pop("checkpoint_every")}
    stores = given.pop("stores", None)
    _demand_flags(given)
    team = {name: given.pop(name) for name in ("learn", "policy") if name in given}
    if stores is not None:
        if "demand_data" in given.get("parameters", {}):
            raise InputError("--stores: the demand file says which stores there are; leave it out")
        if given.setdefault("problem", "stores") != "stores":
            raise InputError(f"--stores belongs to --problem stores, not {given['problem']}")
        given["parameters"] = {"stores": stores}
    if team:
        given.setdefault("problem", "stores")
        given["team"] = team
    return given


def _demand_flags(given: dict[str, Any]) -> None:
    """Put the flags of a demand file where they belong, and choose the recipe for one."""
    names = ("split", "validation", "fill", "augment")
    options: dict[str, Any] = {name: given.pop(name) for name in names if name in given}
    file = given.pop("demand", None)
    if file is None and options:
        raise InputError(f"--{next(iter(options))}: is about a demand file; name one with --demand")
    if file is None:
        return
    if given.setdefault("problem", "stores") != "stores":
        raise InputError(f"--demand belongs to --problem stores, not {given['problem']}")
    given.setdefault("recipe", "demand")
    options.setdefault("augment", "bootstrap")  # does best on the bakery's selection period
    given["parameters"] = {"demand_data": {"file": str(Path(file).resolve()), **options}}


def _learns(given: Mapping[str, Any], own: Mapping[str, Any], assignments: tuple[str, ...]) -> str:
    """Return which tier learns, before anything is validated."""
    for assignment in assignments:
        if assignment.startswith("team.learn="):
            return assignment.removeprefix("team.learn=")
    for layer in (given, own):
        team = layer.get("team")
        if isinstance(team, Mapping) and isinstance(team.get("learn"), str):
            return str(team["learn"])
    return "store"


def from_dict(tree: Mapping[str, Any]) -> RunConfig:
    """Validate a resolved tree, such as a run's ``config.yaml``."""
    rest = dict(tree)
    problem = PROBLEMS[choose("problem", str(rest.get("problem", "cash")), PROBLEMS)]
    algorithm = ALGORITHMS[choose("algorithm", str(rest.get("algo", "dqn")), ALGORITHMS)]
    parts: dict[str, Any] = {}
    models = {"parameters": problem.parameters, "hyperparameters": algorithm.settings}
    for name, model in models.items():
        values = rest.pop(name, None)
        values = {} if values is None else values
        if not isinstance(values, Mapping):
            raise InputError(f"{name} = {short(values)}: must be a mapping of names to values")
        parts[name] = validated(model, values, name)
    settings = validated(RunSettings, rest)
    run = RunConfig(settings, **parts)
    for _, stage in run.stages():
        run.parameters.check_stage(stage)
    if settings.team != TeamSettings() and settings.problem != "stores":
        raise InputError(f"team (--learn, --policy) has no meaning for {settings.problem}")
    if settings.reward.expected and getattr(run.parameters, "demand_data", None) is not None:
        raise InputError(
            "reward.expected needs the law of demand, which a demand file does not give; "
            "set reward.expected=false"
        )
    if settings.reward.standardize and not algorithm.off_policy:
        raise InputError(f"reward.standardize needs a replay buffer; {settings.algo} has none")
    if settings.reward.standardize and parts["hyperparameters"].n_steps > 1:
        raise InputError("reward.standardize works with one-step returns; set n_steps=1")
    return run


def _take_recipes(tree: dict[str, Any]) -> dict[str, Any]:
    """Take the recipes out of a file's content."""
    return validated(_Recipes, {"recipes": tree.pop("recipes", {})}).recipes


def _check_recipe(files: list[dict[str, Any]], recipe: str, algo: str) -> None:
    """Make sure that one of the files has the recipe for the algorithm."""
    names = [name for recipes in files for name in recipes]
    if recipe not in names:
        raise InputError(f"unknown recipe {recipe!r}{nearest(recipe, names)}")
    algos = [name for recipes in files for name in recipes.get(recipe, {})]
    if algo not in algos:
        raise InputError(f"recipe {recipe!r} has no {algo}; it has {', '.join(algos)}")


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Merge nested mappings, `values` winning."""
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = deepcopy(value)


def _assign(tree: dict[str, Any], assignment: str, problem: Problem, algo: str) -> None:
    """Carry out one ``key=value``."""
    key, equals, text = assignment.partition("=")
    if not equals or not key:
        raise InputError(f"--set {short(assignment)}: must be key=value, such as holding_cost=0.2")
    shorter = {
        "parameters": problem.parameters.model_fields,
        "hyperparameters": ALGORITHMS[algo].settings.model_fields,
    }
    path = key.split(".")
    if path[0] not in {*RunSettings.model_fields, *shorter}:
        home = next((name for name, fields in shorter.items() if path[0] in fields), None)
        if home is None:
            known = [*RunSettings.model_fields, *(f for fields in shorter.values() for f in fields)]
            raise InputError(f"unknown key {short(key)}{nearest(path[0], known)}")
        path.insert(0, home)
    if path[0] in {"problem", "algo", "recipe"}:
        raise InputError(f"--set {key}: use --{path[0]}")
    try:
        value = parse_yaml(text)
    except InputError as error:
        told = f"--set {short(key)}: {short(text)} is not a value in YAML"
        raise InputError(f"{told}: {error}") from None
    node = tree
    for part in path[:-1]:
        child = node.get(part)
        node[part] = child if isinstance(child, dict) else {}
        node = node[part]
    node[path[-1]] = value


def _relative_to(tree: dict[str, Any], config: Path | None) -> None:
    """Let a data file named in a configuration be found beside it, wherever one stands."""
    source = tree.get("parameters")
    source = source.get("demand_data") if isinstance(source, dict) else None
    if config is not None and isinstance(source, dict) and isinstance(source.get("file"), str):
        if "\0" in source["file"]:
            raise InputError(f"demand_data.file = {short(source['file'])}: not the name of a file")
        source["file"] = str((config.parent / source["file"]).resolve())
