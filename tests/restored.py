"""Worlds that are set back to a state that was kept."""

import numpy as np


def check_same_future(batch, actions):
    """Play on, set the batch back, and make sure that it goes the same way again."""
    state = batch.get_state()
    first = _future(batch, actions)
    batch.set_state(state)
    for one, other in zip(first, _future(batch, actions), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def _future(batch, actions):
    seen = []
    for action in actions:
        outcome = batch.step(action)
        ended = np.flatnonzero(outcome.terminated | outcome.truncated)
        if ended.size:
            batch.restart(ended)
        seen.append((outcome.reward, batch.observation()))
    return seen
