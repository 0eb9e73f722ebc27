import numpy as np
import pytest
from scipy import stats

from inventory.sampling import TAIL, normal


@pytest.fixture(scope="module")
def sample():
    return normal(np.random.default_rng(11), 0.0, 1.0, (2_000_000,))


def test_it_follows_the_normal_law(sample):
    assert stats.kstest(sample, "norm").pvalue > 0.001


@pytest.mark.parametrize(("power", "moment"), [(1, 0), (2, 1), (3, 0), (4, 3), (6, 15)])
def test_moments(sample, power, moment):
    values = sample**power
    assert values.mean() == pytest.approx(moment, abs=4 * values.std() / np.sqrt(values.size))


@pytest.mark.parametrize("beyond", [1.0, 2.0, TAIL, 4.0])
def test_tails_are_neither_thin_nor_thick(sample, beyond):
    for side in (sample > beyond, sample < -beyond):
        share = stats.norm.sf(beyond)
        assert side.sum() == pytest.approx(
            share * sample.size, abs=4.5 * np.sqrt(share * sample.size)
        )


def test_neighbours_are_uncorrelated(sample):
    correlation = np.corrcoef(sample[:-1], sample[1:])[0, 1]
    assert abs(correlation) < 4 / np.sqrt(sample.size)


def test_the_generators_state_is_the_whole_state():
    rng = np.random.default_rng(1)
    normal(rng, 0, 1, (100,))
    state = rng.bit_generator.state
    first = normal(rng, 5, 2, (3, 7), low=4.0)
    rng.bit_generator.state = state
    np.testing.assert_array_equal(first, normal(rng, 5, 2, (3, 7), low=4.0))
    assert first.min() == 4.0
