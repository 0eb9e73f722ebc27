"""The card of a run, ``README.md`` in its folder: description, results, and how to load it."""

import json
from collections.abc import Mapping
from typing import Any

from evaluation.comparison import SAMPLED
from evaluation.statistics import number

DIGITS = 2
MOST_RULES = 12
"""Rows of the table besides the agent's."""


def model_card(
    name: str,
    configuration: Mapping[str, Any],
    facts: Mapping[str, Any],
    evaluation: Mapping[str, Any] | None,
    *,
    hub: bool = False,
) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    name : str
        Name of the run's folder.
    configuration : mapping
        Content of ``config.yaml``.
    facts : mapping
        Content of ``versions.json``.
    evaluation : mapping, optional
        Content of ``evaluation.json``; without it the card explains how to evaluate.
    hub : bool
        Whether to begin with the metadata that the Hugging Face Hub reads. Nothing is uploaded.
    """
    problem, algo = str(configuration["problem"]), str(configuration["algo"])
    parts = [
        f"# {algo} on {problem}\n",
        _what(configuration, facts),
        "## What it reaches\n",
        _reached(evaluation),
        "## Limits\n",
        _limits(configuration),
        "## How to load it\n",
        _loading(name, problem),
    ]
    metadata = _metadata(problem, algo, evaluation) if hub else ""
    return metadata + "\n".join(parts)


def _what(configuration: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    steps = facts.get("steps")
    trained = f"{steps:,} steps" if isinstance(steps, int) else "no step yet"
    data = (configuration.get("parameters") or {}).get("demand_data")
    source = "synthetic, drawn by the problem's own law"
    if data:
        source = f"days of `{str(data.get('file')).rpartition('/')[2]}`"
        source += f" before {data['split']}" if data.get("split") else ""
    versions = ", ".join(
        f"{package} {facts[package]}"
        for package in ("stable-baselines3", "torch")
        if package in facts
    )
    rows = {
        "algorithm": f"{configuration['algo']}, recipe `{configuration['recipe']}`",
        "problem": f"{configuration['problem']}",
        "trained for": f"{trained}, seed {configuration['seed']}",
        "training data": source,
        "versions": versions,
        "weights (SHA-256)": f"`{str(facts.get('weights', ''))[:16]}`",
    }
    table = [f"| {what} | {value} |" for what, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *table, "", "Everything else: `config.yaml`.", ""])


def _reached(evaluation: Mapping[str, Any] | None) -> str:
    if evaluation is None:
        return "Not evaluated yet: `python evaluate.py --checkpoint` on this folder.\n"
    policies = evaluation["policies"]
    best = sorted(policies, key=lambda name: -(policies[name]["return_mean"] or -1e300))
    shown = best[:MOST_RULES] + [name for name in best[MOST_RULES:] if name in ("agent", "random")]
    lines = [str(evaluation.get("headline") or ""), ""]
    lines += ["| policy | kind | mean return | 95% interval | gap |", "|---|---|---|---|---|"]
    for name in shown:
        one = policies[name]
        low, high = one["return_ci95"]
        gap = "" if one["gap"] is None else f"{one['gap']:.2%}"
        mean, *ends = (number(x, DIGITS) for x in (one["return_mean"], low, high))
        lines.append(f"| {name} | {one['kind']} | {mean} | {ends[0]} to {ends[1]} | {gap} |")
    reference = evaluation.get("reference")
    if reference:
        lines.append(
            f"| {reference['kind']} | reference | {number(reference['value'], DIGITS)} | | |"
        )
    lines += [
        "",
        f"{evaluation['episodes']:,} episodes that no training has seen (seed "
        f"{evaluation['seed']}), the same for all. Gap: (reference - return) / (reference - "
        "random).",
        *(note for note in evaluation.get("notes", ()) if note == SAMPLED),
        "",
    ]
    return "\n".join(lines)


def _limits(configuration: Mapping[str, Any]) -> str:
    lines = [
        "- It has learned these parameters, and nothing is known of others: evaluate it where you "
        "would use it.",
        "- Intervals are over episodes of one trained model, not over seeds of its training.",
    ]
    if (configuration.get("parameters") or {}).get("demand_data"):
        lines.append("- Its days say nothing about years unlike those in the file.")
    if ":" in str(configuration["problem"]):
        lines.append("- Its environment's code is not in this folder.")
    return "\n".join([*lines, ""])


def _loading(name: str, problem: str) -> str:
    own = f" --env {problem}" if ":" in problem else ""
    register = ""
    if own:
        register = (
            "from envs.external.registration import register_environment\n\n"
            f'register_environment("{problem}")\n'
        )
    return (
        f"```\npython evaluate.py --checkpoint runs/{name}{own}\n```\n\n```python\n{register}"
        f'from training import load\n\npolicy = load("runs/{name}")\n'
        "action, _ = policy.predict(observation)\n```\n"
    )


def _metadata(problem: str, algo: str, evaluation: Mapping[str, Any] | None) -> str:
    """Return a model card's metadata as documented by the Hub, in YAML that is also JSON."""
    results: list[Any] = []
    if evaluation is not None and "agent" in evaluation["policies"]:
        agent = evaluation["policies"]["agent"]
        value = f"{agent['return_mean']:.2f} +/- {agent['return_std']:.2f}"
        metric = {"type": "mean_reward", "value": value, "name": "mean_reward", "verified": False}
        task = {"type": "reinforcement-learning", "name": "reinforcement-learning"}
        data = {"name": problem, "type": problem}
        results = [{"task": task, "dataset": data, "metrics": [metric]}]
    tags = [problem, "reinforcement-learning", "deep-reinforcement-learning", "stable-baselines3"]
    values = {
        "library_name": "stable-baselines3",
        "tags": tags,
        "model-index": [{"name": algo, "results": results}],
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(["---", *lines, "---", "", ""])
