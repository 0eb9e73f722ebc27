import numpy as np
import pytest
from scipy import stats

from common.errors import InputError
from demand.laws import POINTS, check_law, demand_points, draw_demand, seasonal_mean

LAWS = ["normal", "poisson", "negative_binomial", "gamma"]
MEAN, STD = np.array([5.0, 50.0, 400.0]), np.array([4.0, 10.0, 90.0])


def moments(model):
    """Return mean and deviation of each law; the normal one is cut off at zero."""
    if model == "poisson":
        return MEAN, np.sqrt(MEAN)
    if model != "normal":
        return MEAN, STD
    z = MEAN / STD
    below, height = stats.norm.cdf(z), stats.norm.pdf(z)
    mean = MEAN * below + STD * height
    square = (MEAN**2 + STD**2) * below + MEAN * STD * height
    return mean, np.sqrt(square - mean**2)


@pytest.mark.parametrize("model", LAWS)
def test_mean_and_deviation_of_what_is_drawn(model):
    n = 200_000
    drawn = draw_demand(np.random.default_rng(0), model, MEAN, STD, (n, 3))
    mean, std = moments(model)
    assert drawn.shape == (n, 3)
    assert drawn.min() >= 0
    assert (np.abs(drawn.mean(axis=0) - mean) < 4 * std / np.sqrt(n)).all()
    fourth = ((drawn - mean) ** 4).mean(axis=0)
    error = np.sqrt((fourth - std**4) / n) / (2 * std)  # of the deviation
    assert (np.abs(drawn.std(axis=0) - std) < 4 * error).all()


@pytest.mark.parametrize("model", ["poisson", "negative_binomial"])
def test_counts_are_whole(model):
    drawn = draw_demand(np.random.default_rng(0), model, MEAN, STD, (1000, 3))
    np.testing.assert_array_equal(drawn, np.round(drawn))


@pytest.mark.parametrize("model", LAWS)
def test_means_and_deviations_of_each_day(model):
    """They broadcast: here one of each per day and store."""
    mean = np.array([[4.0], [80.0]]) * np.ones(3)
    drawn = draw_demand(np.random.default_rng(0), model, mean, mean**0.75, (50_000, 2, 3))
    assert drawn.mean(axis=0) == pytest.approx(mean, rel=0.05)
    correlation = np.corrcoef(drawn.reshape(-1, 6).T)
    assert np.abs(correlation - np.eye(6)).max() < 4 / np.sqrt(50_000)


@pytest.mark.parametrize("model", ["poisson", "negative_binomial", "gamma"])
def test_no_mean_no_demand(model):
    mean = np.array([0.0, 20.0])
    drawn = draw_demand(np.random.default_rng(0), model, mean, np.array(5.0), (1000, 2))
    assert (drawn[:, 0] == 0).all()
    assert drawn[:, 1].mean() == pytest.approx(20, abs=1)
    assert (demand_points(model, mean, np.array(5.0))[0] == 0).all()


def test_a_normal_law_without_mean_has_its_positive_half():
    drawn = draw_demand(np.random.default_rng(0), "normal", np.array(0.0), np.array(3.0), (50_000,))
    assert (drawn == 0).mean() == pytest.approx(0.5, abs=0.01)
    assert drawn.mean() == pytest.approx(3 / np.sqrt(2 * np.pi), abs=0.05)


@pytest.mark.parametrize("model", ["normal", "gamma"])
def test_without_deviation_demand_is_its_mean(model):
    drawn = draw_demand(np.random.default_rng(0), model, np.array(7.0), np.array(0.0), (10,))
    assert drawn.tolist() == [7.0] * 10


@pytest.mark.parametrize("model", LAWS)
def test_points_stand_for_the_law(model):
    points = demand_points(model, MEAN, STD)
    mean, std = moments(model)
    assert points.shape == (3, POINTS)
    assert (np.diff(points, axis=-1) >= 0).all()
    assert points.mean(axis=-1) == pytest.approx(mean, abs=2e-3 * std.max(), rel=2e-3)
    assert points.std(axis=-1) == pytest.approx(std, rel=0.03)
    drawn = draw_demand(np.random.default_rng(1), model, MEAN, STD, (200_000, 3))
    for stock in (MEAN, MEAN + STD):  # expected units lost
        lost = np.maximum(0, drawn - stock).mean(axis=0)
        assert np.maximum(0, points.T - stock).mean(axis=0) == pytest.approx(lost, rel=0.05)


def test_check_of_the_negative_binomial_law():
    check_law("negative_binomial", np.array([0.0, 9.0]), np.array([0.0, 3.1]))
    check_law("poisson", np.array(9.0), np.array(0.0))
    with pytest.raises(InputError, match=r"demand_std = 3: .* above 3; or take"):
        check_law("negative_binomial", np.array(9.0), np.array(3.0))


def test_season():
    mean = seasonal_mean(100.0, 2.0, 4.0, 5)
    assert mean.tolist() == pytest.approx([100, 300, 100, 0, 100])  # never negative
