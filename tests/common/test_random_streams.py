import numpy as np
import pytest
from scipy import stats

from common.random_streams import TAIL, _fill, normal, random_stream


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


@pytest.mark.parametrize("size", [0, 1, 40, 200_000])
def test_the_words_of_an_sfc64_give_what_its_generator_gives(size):
    """Drawn in registers or by a call per number: the same variates, the same state after them."""
    ours, reference = random_stream(3, "training"), random_stream(3, "training")
    for rng in (ours, reference):
        rng.integers(9, dtype=np.uint32)  # leaves half a word in the generator
    expected = np.empty(size)
    _fill(reference, None, expected, 2.0, 3.0, 0.5)
    np.testing.assert_array_equal(normal(ours, 2.0, 3.0, (size,), 0.5), expected)
    np.testing.assert_equal(ours.bit_generator.state, reference.bit_generator.state)
    assert ours.bit_generator.state["has_uint32"] == 1


@pytest.mark.parametrize("kind", [np.random.SFC64, np.random.PCG64, np.random.MT19937])
def test_it_fills_the_array_given(kind):
    out = np.zeros((3, 5))
    assert normal(np.random.Generator(kind(1)), 0, 1, (3, 5), out=out) is out
    np.testing.assert_array_equal(out, normal(np.random.Generator(kind(1)), 0, 1, (3, 5)))


@pytest.mark.parametrize("out", [np.zeros((5, 3)), np.zeros((5, 3)).T])
def test_an_array_that_cannot_be_filled_in_order_is_refused(out):
    with pytest.raises(ValueError, match="C-contiguous"):
        normal(np.random.default_rng(0), 0, 1, (3, 5), out=out)
