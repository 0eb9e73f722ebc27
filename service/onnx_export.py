"""A run's networks as ONNX: raw observations in, actions and quantities out, without torch.

The graph holds the scaling of observations, the network, the mask of actions where the algorithm
has one, and the choice of the quantity among those on offer. It is built node by node from the
layers, as a plain network needs no tracer, and then held against torch on random states.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecNormalize

from agents import run_folder
from agents.sb3_policy import AgentPolicy
from baselines.multi_agent import TeamPolicy
from common.errors import InputError
from common.files import write_whole
from training.learners.load import load_agent
from wrappers.normalize import FixedNormalization, encode

OPSET = 18
REFUSED_LOGIT = -1e8
"""What sb3-contrib gives an action that the mask rules out."""

STATES = 100_000
STEPS = 200
BEYOND = 0.2
"""Share of the range seen in play by which random states may lie outside of it."""

Rows = NDArray[np.float32]


class Graph:
    """Nodes in the order in which they are computed, each named after what it gives."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any) -> str:
        """Return the name of an array."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Return the name of what an operator gives."""
        output = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output


def export(checkpoint: str, folder: Path, *, states: int = STATES) -> dict[Path, int]:
    """Write a graph for every network of a run, and check each.

    Parameters
    ----------
    checkpoint : str
        A run.
    folder : Path
        Where ``<player>.onnx`` go.
    states : int
        How many random states each is checked on.

    Returns
    -------
    dict
        Of every file the number of states on which it did as torch does, which is all of them.

    Raises
    ------
    InputError
        If a network is of a kind that is not known here, or an action differs; nothing is written
        then.
    """
    path, name = run_folder.find(checkpoint)
    _, policy = load_agent(path, name)
    players: dict[str, Any] = {"policy": policy}
    if isinstance(policy, TeamPolicy):
        if policy.joint:
            raise InputError(f"{path}: its stores decide together, which --onnx does not know")
        players = policy.players
    agents = {n: one for n, one in players.items() if isinstance(one, AgentPolicy)}
    if not agents:
        raise InputError(f"{path}: holds no network that --onnx knows")
    made = {folder / f"{player}.onnx": graph_of(agent) for player, agent in agents.items()}
    for (target, content), agent in zip(made.items(), agents.values(), strict=True):
        check(target, content, agent, states)
    for target, content in made.items():
        write_whole(target, content)
    return dict.fromkeys(made, states)


def graph_of(agent: AgentPolicy) -> bytes:
    """Return the graph of a network.

    Inputs are ``observation`` (states, entries), ``offered`` (states, actions) [units], what each
    action would order, and, where the algorithm has masks, ``mask`` (states, actions); outputs
    ``action`` and ``quantity`` (states,).
    """
    graph, env = Graph(), agent.env
    size = int(np.prod(env.observation_space.shape or (1,)))
    scores = _scores(graph, agent.model, _scaled(graph, env, "observation"))
    actions = int(env.action_space.n)  # type: ignore[attr-defined]
    inputs = [
        helper.make_tensor_value_info("observation", TensorProto.FLOAT, ["states", size]),
        helper.make_tensor_value_info("offered", TensorProto.DOUBLE, ["states", actions]),
    ]
    if agent.masks:
        inputs.append(helper.make_tensor_value_info("mask", TensorProto.BOOL, ["states", actions]))
        refused = graph.constant(np.float32(REFUSED_LOGIT))
        scores = graph.add("Where", "mask", scores, refused)
    if not hasattr(agent.model, "q_net") and not hasattr(agent.model, "quantile_net"):
        scores = graph.add("Softmax", scores, axis=1)  # torch takes the mode of probabilities
    best = graph.add("ArgMax", scores, axis=1, keepdims=1)
    quantity = graph.add("GatherElements", "offered", best, axis=1)
    column = graph.constant(np.array([1], np.int64))
    graph.add("Squeeze", best, column, name="action")
    graph.add("Squeeze", quantity, column, name="quantity")
    outputs = [
        helper.make_tensor_value_info("action", TensorProto.INT64, ["states"]),
        helper.make_tensor_value_info("quantity", TensorProto.DOUBLE, ["states"]),
    ]
    body = helper.make_graph(graph.nodes, "policy", inputs, outputs, graph.constants)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(body, opset_imports=opset, producer_name="inventory-rl", ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def _scaled(graph: Graph, env: VecEnv, name: str) -> str:
    """Add every normalisation that `env` is wrapped in, the innermost first."""
    if not isinstance(env, VecEnvWrapper):
        return name
    name = _scaled(graph, env.venv, name)
    if isinstance(env, FixedNormalization):
        return graph.add("Div", name, graph.constant(env.scale))
    if isinstance(env, VecNormalize) and env.norm_obs:
        moments: Any = env.obs_rms
        wide = graph.add("Cast", name, to=TensorProto.DOUBLE)
        centred = graph.add("Sub", wide, graph.constant(np.asarray(moments.mean, np.float64)))
        deviation = np.sqrt(np.asarray(moments.var, np.float64) + env.epsilon)
        scaled = graph.add("Div", centred, graph.constant(deviation))
        bounds = (graph.constant(np.float64(sign * env.clip_obs)) for sign in (-1, 1))
        return graph.add("Cast", graph.add("Clip", scaled, *bounds), to=TensorProto.FLOAT)
    return name


def _scores(graph: Graph, model: Any, name: str) -> str:
    """Add the network up to a score per action."""
    policy = model.policy
    if hasattr(policy, "lstm_actor"):
        raise InputError("--onnx does not know networks with memory")
    if hasattr(policy, "action_net"):
        layers = [*policy.mlp_extractor.policy_net, policy.action_net]
    elif hasattr(policy, "q_net"):
        layers = list(policy.q_net.q_net)
    elif hasattr(policy, "quantile_net"):
        layers = list(policy.quantile_net.quantile_net)
    else:
        raise InputError(f"--onnx does not know {type(model).__name__}")
    for layer in _flat(layers):
        if isinstance(layer, torch.nn.Linear):
            weights = graph.constant(layer.weight.detach().numpy())
            bias = graph.constant(layer.bias.detach().numpy())
            name = graph.add("Gemm", name, weights, bias, transB=1)
        elif isinstance(layer, torch.nn.ReLU | torch.nn.Tanh):
            name = graph.add(type(layer).__name__.replace("ReLU", "Relu"), name)
        else:
            raise InputError(f"--onnx does not know layers of {type(layer).__name__}")
    if hasattr(policy, "quantile_net"):
        count = policy.quantile_net.n_quantiles
        shape = graph.constant(np.array([0, count, -1], np.int64))
        apart = graph.add("Reshape", name, shape)
        axis = graph.constant(np.array([1], np.int64))
        name = graph.add("ReduceMean", apart, axis, keepdims=0)
    return name


def _flat(layers: Any) -> Iterator[torch.nn.Module]:
    for layer in layers:
        if isinstance(layer, torch.nn.Sequential):
            yield from _flat(layer)
        else:
            yield layer


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
    action, quantity = session.run(["action", "quantity"], fed)
    model: Any = agent.model
    wanted, _ = model.predict(encode(agent.env, rows), deterministic=True, **masks)
    differing = np.flatnonzero(action != wanted)
    if differing.size:
        raise InputError(
            f"{path}: {differing.size} of {states:,} actions differ from torch's, the first in "
            f"state {differing[0]}; nothing was written"
        )
    if not np.array_equal(quantity, offered[np.arange(states), wanted]):
        raise InputError(f"{path}: quantities differ from those on offer; nothing was written")


def _random_states(env: VecEnv, states: int, rng: np.random.Generator) -> Rows:
    """Return states: half seen in random play, half anywhere in their range and a little beyond."""
    while isinstance(env, VecEnvWrapper):
        env = env.venv
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
