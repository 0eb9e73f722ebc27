"""What a report is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from baselines.policy import Policy
from envs.problems import Problem
from evaluation.comparison import Comparison
from evaluation.output import Results
from evaluation.report.episodes import RECORDED, EpisodeRecord, EpisodeRecorder, Floats
from evaluation.report.theme import colours


@dataclass(frozen=True)
class Curve:
    """A run's scores on validation traces while it learned, each of shape (evaluations,).

    `gaps` are NaN where nothing was known to measure against.
    """

    label: str
    steps: Floats
    returns: Floats
    gaps: Floats


@dataclass(frozen=True)
class ProblemView:
    """How a report shows a problem.

    Attributes
    ----------
    recorder : callable
        Makes what watches a policy's episodes.
    panels : tuple
        Of the picture of an episode, titles and what draws each from the recorded steps.
    step : str
        What a step is called.
    action_names : callable or None
        From the parameters to what the actions are called.
    line_names : callable or None
        From the parameters to the names of a panel's lines, where it has several.
    action_map : callable or None
        From the contents and a policy's name to its actions over the state (`ActionMap`).
    map_caption : callable
        What the map shows, in words.
    """

    recorder: Callable[[], EpisodeRecorder]
    panels: tuple[tuple[str, Callable[..., None]], ...]
    step: str = "step"
    action_names: Callable[[Any], list[str]] | None = None
    line_names: Callable[[Any], list[str]] | None = None
    action_map: Callable[[Any, str], Any] | None = None
    map_caption: Callable[[Any], str] = lambda _: ""


@dataclass(frozen=True)
class ReportContents:
    """What a report is made of.

    Attributes
    ----------
    title : str
        Of the page.
    problem, parameters : Problem, Any
        What was played.
    view : ProblemView
        How it is shown.
    policies : mapping
        All policies by name.
    results : Results
        What they earned.
    records : mapping
        What they did, step by step.
    curves : tuple of Curve
        How the agents learned.
    facts : mapping
        Texts for the page's end by heading, such as the configuration.
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
    curves: tuple[Curve, ...]
    facts: Mapping[str, str]
    observe_step: bool
    deterministic: bool

    @property
    def comparison(self) -> Comparison:
        """The policies' numbers."""
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
        """The agent that is shown where only one can be: of several seeds the median one."""
        ranked = sorted(self.agents, key=lambda n: self.comparison.policies[n].estimate.mean)
        return ranked[(len(ranked) - 1) // 2]

    @property
    def rival(self) -> str | None:
        """The best rule."""
        return self.comparison.rival

    @property
    def shown(self) -> list[str]:
        """Policies with a row of their own, of several seeds only the one that stands for them."""
        return [self.agent, *(name for name in self.policies if name not in self.agents)]

    @property
    def colours(self) -> dict[str, str]:
        """The colour of every policy."""
        return colours(self.policies, self.agents)

    def label(self, name: str) -> str:
        """Return what a policy is called in pictures."""
        if name == self.agent and len(self.agents) > 1:
            return f"{name} (median)".replace("_", " ")
        return name.replace("_", " ")

    @cached_property
    def episode(self) -> int:
        """The episode that is shown: the agent's median one among those whose steps are kept."""
        returns = self.comparison.policies[self.agent].returns[:RECORDED]
        return int(np.argsort(returns, kind="stable")[(len(returns) - 1) // 2])
