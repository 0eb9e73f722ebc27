"""The picture of learning: one panel per phase, and what is drawn where little is known."""

from types import SimpleNamespace

import numpy as np
import pytest

from evaluation.report.contents import Curve
from evaluation.report.figures.learning import draw_learning

LABEL = "interquartile mean, 95% band"


def curve(run="agent", phase="", steps=(0, 100, 200), returns=(1, 2, 3), gaps=np.nan):
    steps, returns = np.array(steps, float), np.array(returns, float)
    return Curve(run, phase, steps, returns, np.full(steps.shape, gaps))


def drawn(*curves, wide=True, seeds=None):
    comparison = SimpleNamespace(reference=None, policies={})
    results = SimpleNamespace(seeds=seeds)
    about = {"curves": curves, "comparison": comparison, "results": results, "rival": None}
    return draw_learning(SimpleNamespace(**about), wide=wide)


def test_without_an_evaluation_there_is_no_picture():
    assert drawn() is None
    assert drawn(curve(steps=(), returns=())) is None


@pytest.mark.parametrize("wide", [True, False])
def test_phases_have_a_panel_and_an_axis_each(wide):
    phases = ("phase 1: stores", "phase 2: warehouse", "phase 3: supplier")
    curves = [
        curve(phase=name, returns=(-(100.0**k), k, 10.0**k)) for k, name in enumerate(phases, 1)
    ]
    figure = drawn(*curves, wide=wide)
    assert [axes.get_title() for axes in figure.axes] == list(phases)
    assert figure.get_supylabel() == "mean return on validation traces"
    for number, axes in enumerate(figure.axes, 1):
        (line,) = axes.get_lines()
        assert line.get_ydata().tolist() == [-(100.0**number), number, 10.0**number]
        low, high = axes.get_ylim()  # which the second half of the curve fills
        assert -0.1 * 10**number < low < number < 10**number < high < 1.2 * 10**number
    assert len({axes.get_lines()[0].get_color() for axes in figure.axes}) == 3
    places = [axes.get_subplotspec().colspan.start for axes in figure.axes]
    assert places == ([0, 1, 2] if wide else [0, 0, 0])


def test_gaps_are_drawn_with_the_optimum_where_no_rule_was_played():
    first, second = drawn(curve(gaps=0.25)).axes
    assert first.get_title() == "Mean return on validation traces"
    assert second.get_title() == "Gap in %, second half in full"
    optimum, line = second.get_lines()
    assert (optimum.get_label(), set(optimum.get_ydata())) == ("optimum", {0.0})
    assert set(line.get_ydata()) == {25.0}
    assert second.get_ylim()[0] < 0 < 25 < second.get_ylim()[1]


def test_seeds_that_share_no_step_are_drawn_without_a_mean():
    curves = [curve("seed_0"), curve("seed_1", steps=(300, 400), returns=(5, 6))]
    apart = drawn(*curves, seeds=object()).axes[0]
    assert len(apart.get_lines()) == 2
    assert LABEL not in apart.get_legend_handles_labels()[1]
    together = drawn(curves[0], curve("seed_1", returns=(3, 4, 5)), seeds=object()).axes[0]
    (mean,) = [line for line in together.get_lines() if line.get_label() == LABEL]
    assert mean.get_ydata().tolist() == [2, 3, 4]
