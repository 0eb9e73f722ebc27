"""The best return over all sequences of actions, played one by one through the simulator."""

import itertools

import numpy as np

from envs.batch import Trace
from envs.cash.batch import CashBatch
from envs.cash.parameters import CashParameters


def best_of_all_sequences(parameters: CashParameters, trace: Trace) -> np.ndarray:
    """Return the best return of each episode; an episode ends where it goes bankrupt."""
    sequences = itertools.product(range(parameters.num_actions), repeat=parameters.max_steps)
    actions = np.array(list(sequences))
    best = []
    for episode in range(trace["raw_price"].size):
        batch = CashBatch(parameters, len(actions))
        one = {name: values[episode : episode + 1] for name, values in trace.items()}
        batch.reset({name: np.repeat(v, len(actions), axis=0) for name, v in one.items()})
        returns, running = np.zeros(len(actions)), np.ones(len(actions), np.bool_)
        for column in actions.T:
            outcome = batch.step(column)
            returns[running] += outcome.reward[running]
            running &= ~outcome.terminated
        best.append(returns.max())
    return np.array(best)
