import numpy as np
import pytest

from demand.bootstrap import MOST_POINTS, TrainingDays, autocorrelations, block_length
from demand.known_demand import WEEK

DAYS = 420
USUAL = np.array([1.0, 0.5, 0.8, 1.0, 1.2, 2.0, 0.5])[np.arange(DAYS) % WEEK]


def remainders(seed, memory=0.0, lanes=(1, 2), days=DAYS):
    """Return positive remainders of mean near 1 whose logarithm is an AR(1) process."""
    rng = np.random.default_rng(seed)
    walk = np.zeros((days, *lanes))
    for t, noise in enumerate(rng.normal(0, 0.2, walk.shape)):
        walk[t] = memory * walk[t - 1] + noise
    return np.exp(walk)


def drawn(training, episodes=4000, days=28, seed=1, at=100):
    """Return episodes of the same days of the first SKU."""
    window = np.broadcast_to(at + np.arange(days), (episodes, days))
    return training.bootstrap(np.random.default_rng(seed), window, np.zeros(episodes, int))


def test_levels_and_weekdays_stay_where_they_are():
    level = np.linspace(200, 100, DAYS)
    training = TrainingDays((level * USUAL)[:, None, None] * remainders(0))
    made = drawn(training).mean(axis=0)
    np.testing.assert_allclose(made / (level * USUAL)[100:128, None], 1.0, rtol=0.1)


def test_what_a_day_had_comes_with_its_weekday_and_for_all_stores():
    """Saturdays alone vary, and both stores alike."""
    rng = np.random.default_rng(0)
    chance = np.where(np.arange(DAYS) % WEEK == 5, rng.uniform(0.5, 1.5, DAYS), 1.0)
    training = TrainingDays(100 * chance[:, None, None] * np.array([[1.0, 3.0]]))
    made = drawn(training)
    spread = made.std(axis=0)[:, 0] / made.mean(axis=0)[:, 0]
    saturday = np.arange(100, 128) % WEEK == 5
    assert (spread[saturday] > 0.2).all()
    assert (spread[~saturday] < 0.05).all()
    usual = training.usual[100:128, 0]
    both = made / usual
    np.testing.assert_allclose(both[..., 0], both[..., 1], rtol=1e-9)


def test_the_law_is_that_of_what_is_drawn():
    training = TrainingDays((100 * USUAL)[:, None, None] * remainders(0))
    assert training.block == 1
    made = drawn(training, 20_000)
    for day in (0, 5, 12):
        points = training.law(np.array([100 + day]), np.array([0]))[0]
        assert points.shape == (2, DAYS // WEEK)
        np.testing.assert_allclose(points.mean(axis=1), made[:, day].mean(axis=0), rtol=0.01)
        for q in (0.1, 0.5, 0.9):
            one, two = np.quantile(points, q, axis=1), np.quantile(made[:, day], q, axis=0)
            np.testing.assert_allclose(one, two, rtol=0.05)


def test_many_weeks_are_summed_up():
    long = remainders(0, days=WEEK * 300)
    training = TrainingDays(50 * long)
    points = training.law(np.array([700]), np.array([0]))[0]
    assert points.shape == (2, MOST_POINTS)
    alike = training.usual[700, 0] * training.remainders[700 % WEEK :: WEEK, 0].mean(axis=0)
    np.testing.assert_allclose(points.mean(axis=1), alike, rtol=1e-9)
    assert (np.diff(points, axis=1) >= 0).all()


def test_a_product_that_came_later_varies_as_it_does_since_then():
    demand = (100 * USUAL)[:, None, None] * remainders(0)
    late = demand.copy()
    late[: DAYS // 2] = 0
    stretch = slice(DAYS // 2 + 40, DAYS)
    found = TrainingDays(late).remainders
    assert found[stretch].std() == pytest.approx(
        TrainingDays(demand).remainders[stretch].std(), 0.05
    )
    assert found[: DAYS // 2].std() == pytest.approx(found[DAYS // 2 :].std(), rel=0.1)
    assert found.mean() == pytest.approx(1.0, abs=0.02)
    made = drawn(TrainingDays(late), at=300)
    assert (made > 0).all()
    assert (drawn(TrainingDays(late), at=100) == 0).all()


def test_a_weekday_with_little_demand_varies_too():
    quiet = np.where(np.arange(DAYS) % WEEK == 6, 0.1, 1.0)
    training = TrainingDays((100 * quiet)[:, None, None] * remainders(0))
    spread = training.remainders.reshape(-1, WEEK, 2).std(axis=0)
    np.testing.assert_allclose(spread, 0.2, rtol=0.3)


def test_what_hangs_together_stays_together():
    training = TrainingDays((100 * USUAL)[:, None, None] * remainders(0, memory=0.6))
    assert 5 <= training.block <= 28
    made = drawn(training) / training.usual[100:128, 0]
    logs = np.log(made[..., 0])
    inner = np.corrcoef(logs[:, 1], logs[:, 2])[0, 1]
    across = np.corrcoef(logs[:, training.block - 1], logs[:, training.block])[0, 1]
    assert inner > 0.4
    assert abs(across) < 0.1


@pytest.mark.parametrize(("memory", "low", "high"), [(0.0, 1, 1), (0.3, 3, 12), (0.7, 8, 28)])
def test_blocks_grow_with_the_memory_of_the_days(memory, low, high):
    lengths = [block_length(np.log(remainders(s, memory, (3,), 800))) for s in range(7)]
    assert low <= np.median(lengths) <= high


def test_autocorrelations_of_a_known_process():
    series = np.log(remainders(3, 0.5, (4,), 20_000))
    np.testing.assert_allclose(autocorrelations(series, 3), [1, 0.5, 0.25, 0.125], atol=0.03)
    assert autocorrelations(np.ones((50, 2)), 3).tolist() == [1, 0, 0, 0]
    assert block_length(np.ones((50, 2))) == 1


@pytest.mark.parametrize("days", [1, 6, 20])
def test_a_short_file_is_drawn_from_too(days):
    training = TrainingDays(np.random.default_rng(0).poisson(5, (days, 2, 1)).astype(float))
    window = np.broadcast_to(np.arange(days), (10, days))
    made = training.bootstrap(np.random.default_rng(0), window, np.ones(10, int))
    assert made.shape == (10, days, 1)
    assert np.isfinite(made).all()
