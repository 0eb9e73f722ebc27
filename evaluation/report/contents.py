"""The contents of a report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from baselines.policy import Policy
from envs.problems import Problem
from evaluation.comparison import ACTUAL_ORDERS, Comparison
from evaluation.output import Results
from evaluation.reliability import probability_of_improvement
from evaluation.report.episodes import RECORDED, EpisodeRecord, EpisodeRecorder, Floats
from evaluation.report.theme import colours
from evaluation.seeds import Interval


@dataclass(frozen=True)
class TrainingLog:
    """The log of a learner's training.

    Attributes
    ----------
    run : str
        Name of its policy.
    phase : str
        Phase of its training, and who learned in it; empty if there are no phases.
    player : str
        Name of the model among several; empty if there is one.
    columns : dict
        Steps and values by tag, as in TensorBoard, each of shape (logged,).
    """

    run: str
    phase: str
    player: str
    columns: dict[str, tuple[Floats, Floats]]


@dataclass(frozen=True)
class Curve:
    """A run's scores on validation traces during training, each of shape (evaluations,).

    `gaps` are NaN where no reference was known; `run` and `phase` are as in `TrainingLog`.
    """

    run: str
    phase: str
    steps: Floats
    returns: Floats
    gaps: Floats


@dataclass(frozen=True)
class KeyFigure:
    """A key figure for a manager.

    Attributes
    ----------
    name : str
        Its name, with its unit.
    value : float
        Its value for a policy.
    digits : int
        Number of decimals shown.
    more_is_better : bool or None
        None if neither more nor less is better in itself.
    """

    name: str
    value: float
    digits: int
    more_is_better: bool | None


@dataclass(frozen=True)
class ProblemView:
    """How a report shows a problem.

    Attributes
    ----------
    recorder : callable
        Makes the observer of a policy's episodes.
    panels : tuple
        Panels of the figure of an episode: titles and functions that draw the recorded steps.
    step : str
        Name of a step.
    action_names : callable or None
        Function from the parameters to the names of the actions.
    line_names : callable or None
        Function from the parameters to the names of a panel's lines, if it has several.
    action_map : callable or None
        Function from the contents and a policy's name to its actions by state (`ActionMap`).
    map_caption : callable
        Function that describes the map in words.
    key_figures : callable or None
        Function from the contents and a policy's name to its money, stock and service.
    """

    recorder: Callable[[], EpisodeRecorder]
    panels: tuple[tuple[str, Callable[..., None]], ...]
    step: str = "step"
    action_names: Callable[[Any], list[str]] | None = None
    line_names: Callable[[Any], list[str]] | None = None
    action_map: Callable[[Any, str], Any] | None = None
    map_caption: Callable[[Any], str] = lambda _: ""
    key_figures: Callable[[Any, str], list[KeyFigure]] | None = None


@dataclass(frozen=True)
class ReportContents:
    """The contents of a report.

    Attributes
    ----------
    title : str
        Title of the page.
    problem, parameters : Problem, Any
        The problem that was played.
    view : ProblemView
        How the problem is shown.
    policies : mapping
        All policies by name.
    results : Results
        The policies' results.
    records : mapping
        The policies' episodes, step by step.
    logs, curves : tuple
        The agents' training logs (`TrainingLog`), and scores on validation traces (`Curve`).
    facts : mapping
        Texts for the end of the page by heading, such as the configuration.
    observe_step, deterministic : bool
        As in the comparison.
    """

    title: str
    problem: Problem
    parameters: Any
    view: ProblemView
    policies: Mapping[str, Policy]
    results: Results
    records: Mapping[str, EpisodeRecord]
    logs: tuple[TrainingLog, ...]
    curves: tuple[Curve, ...]
    facts: Mapping[str, str]
    observe_step: bool
    deterministic: bool

    @property
    def comparison(self) -> Comparison:
        """The comparison of the policies."""
        return self.results.comparison

    @property
    def agents(self) -> list[str]:
        """The names of the agents that have a policy."""
        seeds = self.results.seeds
        if seeds is None:
            return list(self.comparison.agents)
        return [seed.name for seed in seeds.seeds if seed.failed is None]

    @property
    def agent(self) -> str:
        """The agent shown where there is room for one: of several seeds the median one."""
        ranked = sorted(self.agents, key=lambda n: self.comparison.policies[n].estimate.mean)
        return ranked[(len(ranked) - 1) // 2]

    @property
    def rival(self) -> str | None:
        """The best rule."""
        return self.comparison.rival

    @property
    def today(self) -> str | None:
        """The manager's benchmark: the orders actually placed, today's rules, or the best rule."""
        usual = (ACTUAL_ORDERS, "reference_rules", self.rival)
        return next((name for name in usual if name in self.policies), None)

    @property
    def shown(self) -> list[str]:
        """Policies with a row of their own; of several seeds only the representative one."""
        return [self.agent, *(name for name in self.policies if name not in self.agents)]

    @property
    def colours(self) -> dict[str, str]:
        """The colour of every policy."""
        return colours(self.policies, self.agents)

    def label(self, name: str) -> str:
        """Return a policy's name in figures."""
        if name == self.agent and len(self.agents) > 1:
            return f"{name} (median)".replace("_", " ")
        return name.replace("_", " ")

    @property
    def scores(self) -> tuple[dict[str, float], dict[str, float], str]:
        """Scores of the agents and of all other policies, and the name of the score.

        If a reference is known, 1 is the reference and 0 random play; else they are returns.
        """
        policies = self.comparison.policies
        known = self.comparison.reference is not None
        found = {
            name: 1.0 - own.gap if known and own.gap is not None else own.estimate.mean
            for name, own in policies.items()
        }
        agents = {name: found[played] for name, played in self._played.items()}
        word = "score (0: random, 1: reference)" if known else "mean return"
        return agents, {name: found[name] for name in found if name not in agents}, word

    @property
    def _played(self) -> dict[str, str]:
        """The policy whose episodes count for each agent: its own, or random play if it failed."""
        seeds = self.results.seeds
        failed = {seed.name for seed in seeds.failed} if seeds else set()
        names = [seed.name for seed in seeds.seeds] if seeds else self.agents
        return {name: "random" if name in failed else name for name in names}

    def improvement(self, rival: str) -> Interval:
        """Return the probability that a seed earns more on average than a rival."""
        policies = self.comparison.policies
        means = np.array([policies[name].estimate.mean for name in self._played.values()])
        return probability_of_improvement(means, np.array([policies[rival].estimate.mean]))

    @cached_property
    def episode(self) -> int:
        """The episode shown: the agent's median one among those whose steps are kept."""
        returns = self.comparison.policies[self.agent].returns[:RECORDED]
        return int(np.argsort(returns, kind="stable")[(len(returns) - 1) // 2])
