"""A run as ``export.py`` writes it: all that its decisions need, by onnxruntime, without torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from agents import run_files
from baselines.multi_agent import TeamPolicy
from baselines.policy import Policy
from baselines.registry import baselines_of, rules_in_units
from baselines.rule_choice import named_rule
from baselines.rules.offset import OffsetOrders, OffsetPolicy
from baselines.rules.reference import reference_rules
from baselines.tuned_rules import TunedRule
from commands.orders import Decider
from common.errors import FrozenModel, InputError, NumericalError, choose, validated
from common.files import MAX_ARCHIVE_BYTES
from envs.batch import Batch
from envs.problems import PROBLEMS
from envs.supply_chain.parameters import SupplyChainParameters

MAX_BYTES = 10_000_000
Name = Annotated[str, Field(max_length=100, pattern=r"^\w+$")]
Values = dict[str, float | Literal["inf"]]


class NamedRule(FrozenModel):
    """A rule, with the parameters that it was tuned to; `in_units` if it orders any quantity."""

    name: Name
    values: Values = Field(default_factory=dict)
    in_units: bool = False

    def numbers(self) -> dict[str, float]:
        """Return the parameters."""
        return {name: float(value) for name, value in self.values.items()}

    def policy(self, parameters: SupplyChainParameters) -> Policy:
        """Return the rule.

        Raises
        ------
        InputError
            If there is no such rule, or no search of it comes to these values.
        """
        known = rules_in_units(parameters) if self.in_units else baselines_of("stores", parameters)
        one = known[choose("rule of the exported run", self.name, known)]
        if not isinstance(one, TunedRule):
            return one.make(parameters, 0)
        family = one.family(parameters)
        if not family.admits(self.numbers()):
            raise InputError(f"the exported run has no values of {self.name}; export it again")
        return family.make(**self.numbers())


class ExportedRun(FrozenModel):
    """What an exported run consists of besides the graphs and the files of demand.

    Attributes
    ----------
    run, manifest : str
        Name of the run, and the digest of its manifest.
    parameters : dict
        Of the stores; files are named as they lie in the folder.
    observe_step : bool
        Whether the policy sees the step of the episode.
    players : dict
        By name, to which rule's level its actions are offsets, if they are.
    chosen : NamedRule, optional
        The rule that decides, of a run that recommends one.
    rule : NamedRule
        The rule beside the policy.
    faults : list of str
        Why its orders are held back.
    low, high : list of float
        The range of each entry of an observation that is nothing unusual; empty of a rule.
    """

    run: str
    manifest: str
    parameters: dict[str, Any]
    observe_step: bool
    players: dict[Name, NamedRule | None]
    chosen: NamedRule | None = None
    rule: NamedRule
    faults: list[str]
    low: list[float]
    high: list[float]

    def write(self, folder: Path) -> None:
        """Write it into a folder."""
        text = json.dumps(self.model_dump(), indent=1)  # an endless shelf is Infinity
        run_files.write(folder / run_files.EXPORTED, f"{text}\n".encode())


def is_exported(folder: Path) -> bool:
    """Return whether a folder holds an exported run."""
    return run_files.exists(folder / run_files.EXPORTED)


def load_exported(folder: Path, baseline: str | None = None) -> Decider:
    """Return what decides by an exported run.

    Parameters
    ----------
    folder : Path
        Where ``export.py`` wrote it.
    baseline : str, optional
        The rule beside it, which must be that of the export.

    Raises
    ------
    InputError
        If a file is missing, damaged or altered, it was exported beside another rule, or
        onnxruntime is not installed.
    """
    path = folder / run_files.EXPORTED
    try:
        exported = ExportedRun.model_validate_json(run_files.read(path, MAX_BYTES))
    except ValidationError:
        raise InputError(f"{path}: damaged; export the run again") from None
    if baseline not in (None, exported.rule.name):
        raise InputError(
            f"{folder}: was exported beside the rule {exported.rule.name}; export the run again "
            f"with --baseline {baseline}"
        )
    parameters = validated(SupplyChainParameters, _with_files(exported.parameters, folder))
    chosen = exported.chosen
    return Decider(
        folder,
        parameters,
        _team(exported, folder, parameters) if chosen is None else chosen.policy(parameters),
        (exported.rule.name, exported.rule.policy(parameters)),
        observe_step=exported.observe_step,
        faults=exported.faults,
        usual_range=(np.array(exported.low), np.array(exported.high)) if chosen is None else None,
    )


def _team(exported: ExportedRun, folder: Path, parameters: SupplyChainParameters) -> TeamPolicy:
    players: dict[str, Policy] = dict(reference_rules())
    if any(name.startswith("store_") for name in exported.players):
        players.pop("store")
    for name, offset_to in exported.players.items():
        players[name] = _player(folder, name, parameters, offset_to)
    return TeamPolicy(players)


def _with_files(parameters: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return parameters whose files lie in the folder, as it was exported."""
    source = dict(parameters.get("demand_data") or {})
    for name in DATA_FILES:
        if source.get(name) is not None:
            path = folder / Path(str(source[name])).name
            run_files.read(path, MAX_ARCHIVE_BYTES)  # raises where it was altered
            source[name] = str(path)
    return {**parameters, "demand_data": source}


DATA_FILES = "file", "calendar", "items", "items"
"""Fields of the parameters that name a file."""


def _player(
    folder: Path, name: str, parameters: SupplyChainParameters, offset_to: NamedRule | None
) -> Policy:
    path = run_files.graph_file(folder, name)
    agent = OnnxAgent(run_files.read(path, MAX_ARCHIVE_BYTES), path)
    if offset_to is None:
        return agent
    problem, values = PROBLEMS["stores"], offset_to.numbers()
    rule = named_rule(problem, parameters, offset_to.name, values)
    if offset_to.in_units and parameters.history is not None:
        rule = rule.in_any_quantity(whole=parameters.history.whole_units)
    return OffsetPolicy(agent, OffsetOrders(rule, parameters.lanes()[0].store.offsets), name)


class OnnxAgent:
    """A network under the contract of every policy, run by onnxruntime.

    Parameters
    ----------
    content : bytes
        The graph.
    path : Path
        Where it is from, for messages.

    Raises
    ------
    InputError
        If it is no graph, or onnxruntime is not installed.
    """

    def __init__(self, content: bytes, path: Path) -> None:
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise InputError(f"{path}: needs onnxruntime; pip install -e '.[onnx]'") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # these networks are too small to share
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception:
            raise InputError(f"{path}: damaged; export the run again") from None
        shapes = {one.name: one.shape for one in self._session.get_inputs()}
        self._actions = int(shapes["offered"][1])

    def bind(self, batch: Batch) -> None:
        """Act on `batch` from now on; it is not looked at."""

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[np.int64], Any]:
        """Return the best actions, shape (rows,).

        Raises
        ------
        NumericalError
            If the network's outputs are not finite.
        """
        del episode_start, deterministic
        rows = np.asarray(observation, np.float32)
        fed = {"observation": rows, "offered": np.zeros((len(rows), self._actions))}
        action, finite = self._session.run(["action", "finite"], fed)
        if not finite.all():
            raise NumericalError("the model's outputs are not finite; train it again")
        return action, state
