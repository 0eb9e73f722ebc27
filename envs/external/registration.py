"""Make any Gymnasium environment a problem like those of this project."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import gymnasium
from gymnasium.envs.registration import load_env_creator, registry
from pydantic import Field, create_model

from common.errors import InputError, nearest
from common.plugins import import_module
from envs.external.batch import Environment, ExternalBatch, ExternalParameters, draw_seeds
from envs.problems import PROBLEMS, Problem

DEFAULT_STEPS = 1000
"""Length of an episode where neither the environment nor its registration states one."""

_PLAIN = bool, int, float, str


def register_environment(name: str) -> Problem:
    """Make an environment known, as if it were one of this project's problems.

    Parameters
    ----------
    name : str
        ``module:Class`` of an environment that can be imported, or a name in Gymnasium's own
        registry, such as ``CartPole-v1``.

    Returns
    -------
    Problem
        Also under that name in `envs.problems.PROBLEMS`. Keywords of the constructor that have
        plain defaults are its parameters.

    Raises
    ------
    InputError
        If there is no such environment.
    """
    if name in PROBLEMS:
        return PROBLEMS[name]
    build, signature, defaults, steps = _find(name)
    parameters = _parameters(name, signature, defaults, steps)
    make = partial(_make, name, build)
    problem = Problem(
        name=name,
        parameters=parameters,
        make_batch=partial(ExternalBatch, make),
        draw=draw_seeds,
        recipes="external/gymnasium",
    )
    PROBLEMS[name] = problem
    return problem


def _find(name: str) -> tuple[Callable[..., Any], Callable[..., Any], dict[str, Any], int]:
    """Return its factory, the callable whose signature counts, fixed keywords and its length."""
    module, colon, member = name.rpartition(":")
    found = getattr(import_module("--env", module), member, None) if colon else None
    if isinstance(found, type) and issubclass(found, gymnasium.Env):
        return found, found, {}, DEFAULT_STEPS
    spec = registry.get(member)
    if found is not None or spec is None or spec.entry_point is None:
        where = f"{module} has no gymnasium.Env {member}" if colon else "Gymnasium knows no such"
        hint = "" if colon else nearest(member, registry)
        other = hint if "did you mean" in hint else "; name one as module:Class, or as CartPole-v1"
        raise InputError(f"--env {name}: {where}{other}")
    entry = spec.entry_point
    creator = load_env_creator(entry) if isinstance(entry, str) else entry
    return (
        partial(gymnasium.make, member, disable_env_checker=True),
        creator,
        dict(spec.kwargs),
        spec.max_episode_steps or DEFAULT_STEPS,
    )


def _parameters(
    name: str, signature: Callable[..., Any], defaults: dict[str, Any], steps: int
) -> type[ExternalParameters]:
    """Return a class of validated parameters made of the keywords of a constructor."""
    fields: dict[str, Any] = {}
    for own in inspect.signature(signature).parameters.values():
        default = defaults.get(own.name, own.default)
        if own.kind in (own.VAR_KEYWORD, own.VAR_POSITIONAL) or own.name == "render_mode":
            continue
        if default is own.empty:
            raise InputError(f"--env {name}: give its parameter {own.name} a default")
        if isinstance(default, _PLAIN):
            kind = float if own.annotation in (float, "float") else type(default)
            fields[own.name] = (kind, default)
    length = fields.get("max_steps", (int, steps))[1]
    keywords = frozenset(fields)
    fields["max_steps"] = (Annotated[int, Field(ge=1, le=1_000_000)], length)
    model = create_model("EnvironmentParameters", __base__=ExternalParameters, **fields)
    model.constructor_keywords = classmethod(lambda _: keywords)  # type: ignore[assignment]
    return model


def _make(name: str, build: Callable[..., Any], parameters: ExternalParameters) -> Environment:
    env = build(**parameters.keywords())
    if not isinstance(env, gymnasium.Env):
        raise InputError(f"--env {name}: makes a {type(env).__name__}, not a gymnasium.Env")
    return env
