"""A run for whoever has no torch: its networks as graphs of ONNX, held against torch.

Of a run on demand of a file, all that its decisions need goes beside them; of one that recommends a
rule it is all there is.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from agents import run_files, run_folder
from agents.run_files import ModelFile
from agents.sb3_policy import AgentPolicy
from agents.tuned_file import TunedFile, json_values, recommended_rule
from baselines.multi_agent import TeamPolicy
from baselines.registry import baselines_of
from baselines.rules.offset import OffsetPolicy
from baselines.tuned_rules import TunedRule
from commands.decide import load_decider
from commands.judging.checkpoints import manifest_digest
from commands.orders import Decider
from common.errors import InputError
from common.files import MAX_ARCHIVE_BYTES, read_bytes, write_whole
from envs.problems import PROBLEMS
from service.exported_run import DATA_FILES, ExportedRun, NamedRule
from service.onnx_graph import graph_of
from training.learners.load import load_agent
from wrappers.normalize import encode

STATES = 100_000
STEPS = 200
BEYOND = 0.2
"""Share of the range seen in play by which random states may lie outside of it."""

Rows = NDArray[np.float32]


def export(
    checkpoint: str, folder: Path, *, states: int = STATES, baseline: str | None = None
) -> dict[Path, int]:
    """Write a graph for every network of a run, each checked, and what the service needs besides.

    Parameters
    ----------
    checkpoint : str
        A run.
    folder : Path
        Where ``<player>.onnx`` go; for a run on demand of a file also what its decisions need, so
        that ``serve.py --checkpoint FOLDER`` does without torch.
    states : int
        How many random states each is checked on.
    baseline : str, optional
        The rule beside the policy; by default the best on the run's selection period.

    Returns
    -------
    dict
        Of every graph the number of states on which it did as torch does, which is all of them. A
        run that recommends a rule has none.

    Raises
    ------
    InputError
        If a network is of a kind that is not known here, or an action differs; nothing is written
        then.
    """
    path, name = run_folder.find(checkpoint)
    if run_files.exists(folder / run_files.CONFIG):
        raise InputError(f"--onnx {folder}: is a run itself; name a folder of its own")
    agents, decides = ({}, True) if _chosen(path) is not None else _networks(path, name)
    made = {run_files.graph_file(folder, n): graph_of(agent) for n, agent in agents.items()}
    for (target, content), agent in zip(made.items(), agents.values(), strict=True):
        check(target, content, agent, states)
    about = _exported(checkpoint, path, list(agents), baseline) if decides else None
    folder.mkdir(exist_ok=True)
    if about is not None:
        run_files.begin(folder)
        about = about.model_copy(update={"parameters": _copy_data(about.parameters, folder)})
    for target, content in made.items():
        (write_whole if about is None else run_files.write)(target, content)
    if about is not None:
        about.write(folder)
    return dict.fromkeys(made, states)


def _networks(path: Path, name: ModelFile) -> tuple[dict[str, AgentPolicy], bool]:
    """Return a run's networks by player, and whether it can decide: on demand of a file."""
    config, policy = load_agent(path, name)
    players: dict[str, Any] = {"policy": policy}
    if isinstance(policy, TeamPolicy):
        if policy.joint:
            raise InputError(f"{path}: its stores decide together, which --onnx does not know")
        players = policy.players
    networks = {
        player: one.policy if isinstance(one, OffsetPolicy) else one
        for player, one in players.items()
    }
    agents = {player: one for player, one in networks.items() if isinstance(one, AgentPolicy)}
    if not agents:
        raise InputError(f"{path}: holds no network that --onnx knows")
    return agents, getattr(config.parameters, "history", None) is not None


def _chosen(path: Path) -> NamedRule | None:
    """Return the rule that a run recommends, if it recommends one."""
    advice = recommended_rule(path)
    if advice is None:
        return None
    return NamedRule(name=advice.name, values=advice.values, in_units=True)


def _exported(checkpoint: str, path: Path, players: list[str], baseline: str | None) -> ExportedRun:
    """Return what decisions of a run need besides its graphs."""
    decider = load_decider(checkpoint, baseline)
    sources = run_folder.players(path)
    offsets = {player: run_folder.read_config(sources[player]).settings for player in players}
    low, high = (one.tolist() for one in decider.usual_range or (np.empty(0), np.empty(0)))
    return ExportedRun(
        run=decider.folder.name,
        manifest=manifest_digest(decider.folder),
        parameters=decider.parameters.model_dump(mode="json"),
        observe_step=decider.observe_step,
        players={
            player: NamedRule(
                name=own.offset.rule,
                values=json_values(own.offset.values),
                in_units=own.offset.in_units,
            )
            if decider.parameters.lanes()[0].store.action == "offset" and "store" in player
            else None
            for player, own in offsets.items()
        },
        chosen=_chosen(path),
        rule=_named(decider, baseline),
        faults=decider.faults,
        low=low,
        high=high,
    )


def _named(decider: Decider, baseline: str | None) -> NamedRule:
    """Return the rule beside a run by name, with what it was tuned to."""
    name, parameters = decider.rule[0], decider.parameters
    if baseline is None and (chosen := _chosen(decider.folder)) is not None:
        return chosen
    rule = baselines_of("stores", parameters)[name]
    if not isinstance(rule, TunedRule):
        return NamedRule(name=name)
    tuner = TunedFile(decider.folder / run_files.TUNED)
    tuned = tuner(PROBLEMS["stores"], parameters, name, rule)
    return NamedRule(name=name, values=json_values(tuned.values))


def _copy_data(parameters: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Copy the files of demand into a folder; return parameters that name them there."""
    source = dict(parameters["demand_data"])
    for name in DATA_FILES:
        if source[name] is not None:
            path = Path(source[name])
            target = folder / f"{name}{path.suffix}"
            run_files.write(target, read_bytes(path, MAX_ARCHIVE_BYTES, links=True))
            source[name] = target.name
    return {**parameters, "demand_data": source}


def check(path: Path, content: bytes, agent: AgentPolicy, states: int) -> None:
    """Make sure that a graph does what torch does, on every one of so many random states.

    Raises
    ------
    InputError
        If an action differs, with the state's number.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    rows = _random_states(agent.env, states, rng)
    actions = int(agent.env.action_space.n)  # type: ignore[attr-defined]
    offered = rng.uniform(0, 1000, (states, actions))
    fed: dict[str, Any] = {"observation": rows, "offered": offered}
    masks = {}
    if agent.masks:
        mask = rng.random((states, actions)) < 0.5
        mask[np.arange(states), rng.integers(0, actions, states)] = True
        fed["mask"] = masks["action_masks"] = mask
    action, quantity, finite = session.run(["action", "quantity", "finite"], fed)
    model: Any = agent.model
    wanted, _ = model.predict(encode(agent.env, rows), deterministic=True, **masks)
    differing = np.flatnonzero(action != wanted)
    if differing.size:
        raise InputError(
            f"{path}: {differing.size} of {states:,} actions differ from torch's, the first in "
            f"state {differing[0]}; nothing was written"
        )
    if not finite.all():
        raise InputError(f"{path}: outputs are not finite; nothing was written")
    if not np.array_equal(quantity, offered[np.arange(states), wanted]):
        raise InputError(f"{path}: quantities differ from those on offer; nothing was written")


def _random_states(env: VecEnv, states: int, rng: np.random.Generator) -> Rows:
    """Return states: half seen in random play, half anywhere in their range and a little beyond."""
    env = env.unwrapped
    seen = [np.asarray(env.reset(), np.float32)]
    actions = int(env.action_space.n)  # type: ignore[attr-defined]
    while len(seen) < STEPS:
        step = env.step(rng.integers(0, actions, env.num_envs))[0]
        seen.append(np.array(step, np.float32))
    rows = np.concatenate(seen).reshape(-1, seen[0].shape[-1])
    low, high = rows.min(axis=0), rows.max(axis=0)
    room = BEYOND * (high - low)
    half = states // 2
    played = rows[rng.integers(0, len(rows), half)]
    drawn = rng.uniform(low - room, high + room, (states - half, rows.shape[1]))
    return np.concatenate([played, drawn.astype(np.float32)])
