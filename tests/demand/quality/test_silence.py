"""How long a series may be silent before it is taken to sell no more."""

import numpy as np

from demand.quality.silence import longest_silence, no_longer_sold


def test_a_silence_lies_between_two_sales():
    assert longest_silence(np.array([0.0, 0, 0, 5, 0, 0, 1, 2, 0, 3, 0, 0, 0, 0])) == 2
    assert longest_silence(np.zeros(9)) == longest_silence(np.ones(9)) == 0


def test_a_series_sells_no_more_after_over_twice_its_longest_silence():
    demand = np.ones((400, 2))
    demand[100:114] = 0.0
    selling = np.array([[14.0, 386.0]] * 2)
    quiet = np.array([28, 29])
    assert no_longer_sold(quiet, demand, selling, 28).tolist() == [False, True]
    assert no_longer_sold(quiet, demand, selling, 30).tolist() == [False, False]
    seldom = selling[:, ::-1]  # a silence as long would be no surprise
    assert no_longer_sold(quiet, demand, seldom, 28).tolist() == [False, False]
