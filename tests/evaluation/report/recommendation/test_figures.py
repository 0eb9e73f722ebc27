"""The pictures of a recommendation's report."""

import datetime as dt
import warnings

import pytest
from matplotlib.figure import Figure

from evaluation.report.recommendation.figures import _over_time


@pytest.mark.parametrize("wide", [True, False])
def test_periods_of_any_length_have_dates_below_them(wide):
    for months in (1, 5, 25, 30, 37):
        axes = Figure().subplots()
        axes.plot([dt.date(2020, 1, 1), dt.date(2020 + months // 12, months % 12 + 1, 1)], [1, 2])
        _over_time(axes, wide=wide)
        with warnings.catch_warnings(action="error"):
            assert 2 <= len(axes.get_xticks()) <= 7
