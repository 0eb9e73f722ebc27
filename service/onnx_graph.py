"""A network as a graph of ONNX: raw observations in, actions and quantities out.

The graph holds the scaling of observations, the network, the mask of actions where the algorithm
has one, and the choice of the quantity among those on offer. It is built node by node from the
layers, as a plain network needs no tracer.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecNormalize

from agents.sb3_policy import AgentPolicy
from common.errors import InputError
from wrappers.normalize import FixedNormalization

OPSET = 18
REFUSED_LOGIT = -1e8
"""What sb3-contrib gives an action that the mask rules out."""


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


def graph_of(agent: AgentPolicy) -> bytes:
    """Return the graph of a network.

    Inputs are ``observation`` (states, entries), ``offered`` (states, actions) [units], what each
    action would order, and, where the algorithm has masks, ``mask`` (states, actions); outputs
    ``action``, ``quantity`` and ``finite`` (states,), whether the network gave numbers at all.
    """
    graph, env = Graph(), agent.env
    size = int(np.prod(env.observation_space.shape or (1,)))
    scores = raw = _scores(graph, agent.model, _scaled(graph, env, "observation"))
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
    column = graph.constant(np.array([1], np.int64))
    graph.add("Squeeze", _finite(graph, raw), column, name="finite")
    best = graph.add("ArgMax", scores, axis=1, keepdims=1)
    quantity = graph.add("GatherElements", "offered", best, axis=1)
    graph.add("Squeeze", best, column, name="action")
    graph.add("Squeeze", quantity, column, name="quantity")
    outputs = [
        helper.make_tensor_value_info("action", TensorProto.INT64, ["states"]),
        helper.make_tensor_value_info("quantity", TensorProto.DOUBLE, ["states"]),
        helper.make_tensor_value_info("finite", TensorProto.BOOL, ["states"]),
    ]
    body = helper.make_graph(graph.nodes, "policy", inputs, outputs, graph.constants)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(body, opset_imports=opset, producer_name="inventory-rl", ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def _finite(graph: Graph, scores: str) -> str:
    """Add whether all scores of a state are finite, as a column."""
    nothing = graph.add("Sub", scores, scores)  # which of inf and nan is nan
    zero = graph.add("Equal", nothing, graph.constant(np.float32(0)))
    least = graph.add(
        "ReduceMin",
        graph.add("Cast", zero, to=TensorProto.FLOAT),
        graph.constant(np.array([1], np.int64)),
        keepdims=1,
    )
    return graph.add("Cast", least, to=TensorProto.BOOL)


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
