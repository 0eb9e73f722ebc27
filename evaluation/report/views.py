"""How a report shows each problem; one that has no view of its own is shown by its rewards."""

from envs.problems import Problem
from evaluation.report import cash, supply_chain
from evaluation.report.contents import ProblemView
from evaluation.report.episodes import PlainRecorder
from evaluation.report.figures.play import action_marks, lines_of

VIEWS = {"cash": cash.VIEW, "stores": supply_chain.VIEW}
"""Views by problem."""

PLAIN = ProblemView(PlainRecorder, (("reward", lines_of("reward")), ("action", action_marks)))


def view_of(problem: Problem) -> ProblemView:
    """Return how a report shows a problem."""
    return VIEWS.get(problem.name, PLAIN)
