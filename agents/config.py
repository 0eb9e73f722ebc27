"""The configuration of a run: recipe, file, flags and ``--set``, resolved and validated."""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from agents.algorithms import ALGORITHMS
from agents.hyperparameters import BY_LEAD_TIME, DCL, Hyperparameters, discount_of
from agents.settings import RunSettings, TeamSettings, take_section, unknown_setting
from baselines.service_level import with_service_costs
from common.errors import FrozenModel, InputError, choose, nearest, short, validated
from common.files import read_bytes
from common.safe_yaml import parse_yaml
from demand.reader import named_columns
from envs.batch import LAW_UNKNOWN
from envs.problems import PROBLEMS, Problem, known_problem


def nested_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags that were given, each in its place in the tree of a configuration.

    Raises
    ------
    InputError
        If some of them make no sense together.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if "checkpoint_every" in given:
        given["checkpoint"] = {"every": given.pop("checkpoint_every")}
    for problem in PROBLEMS.values():
        own = problem.file_option and problem.file_option.name
        for option in (*problem.options, own):
            if option in given and given.setdefault("problem", problem.name) != problem.name:
                raise InputError(
                    f"--{option} belongs to --problem {problem.name}, not {given['problem']}"
                )
    _file_options(given)
    team = {name: given.pop(name) for name in ("learn", "policy") if name in given}
    if "stores" in given:
        if "demand_data" in given.get("parameters", {}):
            raise InputError("--stores: the demand file says which stores there are; leave it out")
        given["parameters"] = {"stores": given.pop("stores")}
    return {**given, "team": team} if team else given


def _file_options(given: dict[str, Any]) -> None:
    """Move the options about a file of days to their places, and select the recipe for one."""
    known = {one.file_option.name: one.file_option for one in PROBLEMS.values() if one.file_option}
    about_days = (
        "split",
        "validation",
        "fill",
        "augment",
        "calendar",
        "holidays",
        "items",
        "columns",
    )
    options: dict[str, Any] = {name: given.pop(name) for name in about_days if name in given}
    named = next((name for name in known if name in given), None)
    if named is None:
        if options:
            raise InputError(
                f"--{next(iter(options))}: is about a file of days; name one with "
                f"{' or '.join(f'--{name}' for name in sorted(known))}"
            )
        return
    defaults = known[named].defaults
    if "augment" in options and "augment" not in defaults:
        raise InputError(f"--augment makes days of stores; --{named} plays its days as they were")
    ahead = next(
        (one for one in ("calendar", "holidays", "items", "columns") if one in options), None
    )
    if ahead is not None and "augment" not in defaults:
        raise InputError(f"--{ahead} is about days of stores; --{named} has prices of its own")
    options |= named_columns(options.pop("columns", ""))
    for name in {"calendar", "items"} & set(options):
        options[name] = str(Path(options[name]).resolve())
    given.setdefault("recipe", known[named].recipe)
    data: dict[str, Any] = {"file": str(Path(given.pop(named)).resolve()), **defaults, **options}
    given["parameters"] = {"demand_data": data}


CONFIGS = Path(__file__).resolve().parent.parent / "configs"
MAX_FILE_BYTES = 1_000_000


class _Recipes(FrozenModel):
    recipes: dict[str, dict[str, dict[str, Any]]]
    """Settings by name of the recipe, then by algorithm."""


class _Tiers(FrozenModel):
    tiers: dict[str, dict[str, Any]]
    """Additional settings of a supply chain recipe, by the tier that learns."""


@dataclass(frozen=True)
class RunConfig:
    """A run, resolved: `settings`, the problem's `parameters` and the `hyperparameters`."""

    settings: RunSettings
    parameters: Any
    hyperparameters: Hyperparameters

    @property
    def problem(self) -> Problem:
        """The problem to learn."""
        return PROBLEMS[self.settings.problem]

    @property
    def measure(self) -> str:
        """Name of the episode total that the run maximises."""
        team = self.settings.team
        return self.problem.totals.get("all" if team.goal == "system" else team.learn, "return")

    def stages(self) -> list[tuple[int, Any]]:
        """Return when each stage of the curriculum starts, and its parameters in full."""
        own, model = self.parameters.model_dump(), self.problem.parameters
        return [
            (stage.start, validated(model, {**own, **stage.parameters}, "curriculum"))
            for stage in self.settings.curriculum.stages
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as written to ``config.yaml``."""
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
    content = read_bytes(path, MAX_FILE_BYTES, links=True)
    try:
        return parse_mapping(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def parse_mapping(content: bytes) -> dict[str, Any]:
    """Return the mapping that YAML holds; an empty document is an empty mapping."""
    return deepcopy(_parse_mapping(content))


@lru_cache(maxsize=8)
def _parse_mapping(content: bytes) -> dict[str, Any]:
    """Parse YAML once, since a command reads a run's configuration for each of its players."""
    try:
        tree = parse_yaml(content.decode("utf-8"))
    except UnicodeError:
        raise InputError("not readable as YAML: it is not text in UTF-8") from None
    if not isinstance(tree, dict | None):
        raise InputError("must hold a mapping of names to values")
    return tree or {}


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
        ``prices`` is such a file for the cash problem;
        ``checkpoint_every`` is ``checkpoint.every``.
    config : Path, optional
        A file in the shape of ``configs/cash.yaml`` or of a run's ``config.yaml``.
    assignments : tuple of str
        ``key=value`` with dotted keys; a bare problem parameter or hyperparameter is found too.
        ``stores[0].reorder_point=200`` changes an entry of a list, after all other assignments.

    Raises
    ------
    InputError
        One line for the first thing wrong.
    """
    given = nested_flags(flags)
    own = read_yaml(config) if config else {}
    own.pop("asked", None)  # a run's configuration holds resolved values
    own.pop("textbook", None)  # the textbook's own figures: see commands.textbook
    _relative_to(own, config)
    problem = known_problem(str(given.get("problem", own.get("problem", "cash"))))
    if "problem" in given and own.get("problem", problem) != problem:
        raise InputError(f"{config} is about the {own['problem']} problem, not {problem}")
    base = read_yaml(CONFIGS / f"{PROBLEMS[problem].recipes or problem}.yaml")
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
    _merge(tree, own)  # explicit values of the file win over its recipes
    _merge(tree, given)
    tree.update(problem=problem, algo=algo, recipe=recipe)
    for assignment in sorted(assignments, key=_is_entry):  # list entries last, after their lists
        assign(tree, assignment, PROBLEMS[problem], algo)
    run = from_dict(tree)
    return replace(run, parameters=with_service_costs(run.problem, run.parameters))


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
    problem = PROBLEMS[known_problem(str(rest.get("problem", "cash")))]
    try:
        algorithm = ALGORITHMS[choose("algorithm", str(rest.get("algo", "dqn")), ALGORITHMS)]
    except InputError as error:
        raise InputError(f"{error}; one of a plugin needs --plugin, in Python its import") from None
    parts: dict[str, Any] = {}  # parameters first: gamma may depend on them
    models = {"parameters": problem.parameters, "hyperparameters": algorithm.settings}
    for name, model in models.items():
        values = take_section(rest, name, model.model_fields)
        if values.get("gamma") == BY_LEAD_TIME and name == "hyperparameters":
            values = {**values, "gamma": _discount(problem, parts["parameters"])}
        parts[name] = validated(model, values, name)
    settings = _resolve_automatic(validated(RunSettings, rest), parts["parameters"])
    run = RunConfig(settings, **parts)
    for _, stage in run.stages():
        run.parameters.check_stage(stage)
    if settings.team != TeamSettings() and not problem.totals:
        raise InputError(f"team (--learn, --policy) has no meaning for {settings.problem}")
    if settings.reward.expected and not run.parameters.law_is_known:
        raise InputError(LAW_UNKNOWN)
    if settings.reward.shaping.rule != "none":
        _check_shaping(settings, problem, parts["hyperparameters"])
    if settings.reward.standardize and not algorithm.off_policy:
        raise InputError(f"reward.standardize needs a replay buffer; {settings.algo} has none")
    if settings.reward.standardize and parts["hyperparameters"].n_steps > 1:
        raise InputError("reward.standardize works with one-step returns; set n_steps=1")
    return run


def _check_shaping(settings: RunSettings, problem: Problem, own: Hyperparameters) -> None:
    """Check that a rule can advise the agents that learn."""
    team = settings.team
    if not problem.totals or team.learn != "store" or team.policy == "joint":
        raise InputError("reward.shaping: is for stores that learn, each a row; set rule=none")
    if isinstance(own, DCL):
        raise InputError(f"reward.shaping: {settings.algo} learns from roll-outs; set rule=none")
    if own.gamma == 0.0:
        raise InputError("reward.shaping: gamma must be above 0")


def _discount(problem: Problem, parameters: Any) -> float:
    """Return the discount factor that ``gamma = by_lead_time`` stands for."""
    if not problem.totals:
        raise InputError(f"gamma = {BY_LEAD_TIME}: is for the stores; give a number up to 1")
    return discount_of(parameters.longest_lead_time)


def _resolve_automatic(settings: RunSettings, parameters: Any) -> RunSettings:
    """Resolve ``reward.expected=auto``."""
    if settings.reward.expected != "auto":
        return settings
    return settings.with_numbers({"expected": parameters.law_is_known})


def _take_recipes(tree: dict[str, Any]) -> dict[str, Any]:
    """Take the recipes out of a file's content."""
    return validated(_Recipes, {"recipes": tree.pop("recipes", {})}).recipes


def _check_recipe(files: list[dict[str, Any]], recipe: str, algo: str) -> None:
    """Check that one of the files has the recipe for the algorithm."""
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


_TEXT_SIGNS = (",", "%", "@", "`", "|", "\t")
"""Characters that no YAML value begins with: a decimal mark, a format of dates, a separator."""


def assign(tree: dict[str, Any], assignment: str, problem: Problem, algo: str) -> None:
    """Apply one ``key=value`` to the tree."""
    key, equals, text = assignment.partition("=")
    if not equals or not key:
        raise InputError(f"--set {short(assignment)}: must be key=value, such as holding_cost=0.2")
    shorter = {
        "parameters": problem.parameters.model_fields,
        "hyperparameters": ALGORITHMS[algo].settings.model_fields,
    }
    entry = _ENTRY.fullmatch(key)
    path = (entry[1] if entry else key).split(".")
    if path[0] not in {*RunSettings.model_fields, *shorter}:
        home = next((name for name, fields in shorter.items() if path[0] in fields), None)
        if home is None:
            raise unknown_setting(key, path[0], problem.name, algo)
        path.insert(0, home)
    if path[0] in {"problem", "algo", "recipe"}:
        raise InputError(f"--set {key}: use --{path[0]}")
    try:
        value = text if text.startswith(_TEXT_SIGNS) else parse_yaml(text)
    except InputError as error:
        message = f"--set {short(key)}: {short(text)} is not a value in YAML"
        raise InputError(f"{message}: {error}") from None
    node = tree
    for part in path[:-1]:
        child = node.get(part)
        node[part] = child if isinstance(child, dict) else {}
        node = node[part]
    if entry is None:
        node[path[-1]] = value
        return
    node[path[-1]] = entries = _entries(node, path, problem)
    if int(entry[2]) >= len(entries):
        least = f"{path[-1]} has {len(entries)}, from [0] to [{len(entries) - 1}]"
        raise InputError(f"--set {short(key)}: {least}")
    entries[int(entry[2])] = {**entries[int(entry[2])], entry[3]: value}


_ENTRY = re.compile(r"([a-z_.]+)\[(\d{1,6})\]\.([a-z_]+)")
"""A field of an entry of a list, such as ``stores[0].reorder_point``."""


def _is_entry(assignment: str) -> bool:
    return _ENTRY.fullmatch(assignment.partition("=")[0]) is not None


def _entries(node: Mapping[str, Any], path: list[str], problem: Problem) -> list[dict[str, Any]]:
    """Return a list among the problem's parameters in full, with all assignments so far."""
    entries: Any = None
    if path[:1] == ["parameters"] and len(path) == 2:
        entries = validated(problem.parameters, node, "parameters").model_dump().get(path[1])
    if not isinstance(entries, list | tuple) or not all(isinstance(e, dict) for e in entries):
        raise InputError(f"--set {path[-1]}[...]: {path[-1]} is no list of entries with names")
    return list(entries)


def _relative_to(tree: dict[str, Any], config: Path | None) -> None:
    """Make paths of data files named in a configuration relative to that configuration."""
    source = tree.get("parameters")
    source = source.get("demand_data") if isinstance(source, dict) else None
    if config is None or not isinstance(source, dict):
        return
    for name in ("file", "calendar", "items"):
        if isinstance(source.get(name), str):
            if "\0" in source[name]:
                raise InputError(
                    f"demand_data.{name} = {short(source[name])}: not the name of a file"
                )
            source[name] = str((config.parent / source[name]).resolve())
