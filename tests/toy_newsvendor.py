"""A newsvendor with one product: a problem as small as one can be, registered as any other.

Each morning it orders q units at a cost; the day asks for d; min(q, d) are sold and the rest is
thrown away: reward = price * min(q, d) - cost * q.
"""

from typing import Annotated

import numpy as np
from pydantic import Field

from baselines.policy import Rule
from common.errors import FrozenModel, InputError
from common.random_streams import random_stream
from envs.batch import Outcome
from envs.problems import Problem


class NewsvendorParameters(FrozenModel):
    """Money per unit, units per day, and days of an episode."""

    price: Annotated[float, Field(gt=0)] = 5.0
    cost: Annotated[float, Field(gt=0)] = 3.0
    mean_demand: Annotated[float, Field(gt=0)] = 8.0
    most: Annotated[int, Field(ge=1)] = 15
    max_steps: Annotated[int, Field(ge=1)] = 10
    law_is_known: bool = False

    def check_stage(self, stage):
        """Refuse a stage with other actions."""
        if stage.most != self.most:
            raise InputError("most cannot change between the stages of a run")


class NewsvendorBatch:
    """Worlds of the newsvendor; they see yesterday's demand (implements `envs.batch.Batch`)."""

    observation_low, expected_reward, only_valid = 0.0, False, False

    def __init__(
        self, parameters, num_worlds, *, rng=None, split="training", observe_step=False, **_
    ):
        self.parameters, self.num_worlds = parameters, num_worlds
        self.num_actions = parameters.most + 1
        self.rng = rng if rng is not None else random_stream(0, split)
        self.observation_size = 1 + observe_step
        self.demand = np.zeros((num_worlds, parameters.max_steps))
        self.day = np.zeros(num_worlds, np.int64)
        self.sums = np.zeros((3, num_worlds))  # return, units sold, units asked for

    def reset(self, trace=None):
        everyone = np.arange(self.num_worlds)
        self._begin(everyone, draw(self.parameters, "", self.rng, self.num_worlds), trace)

    def restart(self, worlds):
        self._begin(worlds, draw(self.parameters, "", self.rng, len(worlds)))

    def _begin(self, worlds, drawn, trace=None):
        self.demand[worlds] = (drawn if trace is None else trace)["demand"]
        self.day[worlds], self.sums[:, worlds] = 0, 0.0

    def change_parameters(self, parameters):
        self.parameters.check_stage(parameters)
        self.parameters = parameters

    def step(self, actions):
        p = self.parameters
        asked = self.demand[np.arange(self.num_worlds), np.minimum(self.day, p.max_steps - 1)]
        sold = np.minimum(actions, asked)
        reward = p.price * sold - p.cost * actions
        self.sums += reward, sold, asked
        self.day += 1
        return Outcome(reward, np.zeros(self.num_worlds, np.bool_), self.day >= p.max_steps)

    def observation(self):
        yesterday = self.demand[np.arange(self.num_worlds), np.maximum(self.day, 1) - 1]
        entries = [np.where(self.day > 0, yesterday, 0.0), self.day / self.parameters.max_steps]
        return np.stack(entries[: self.observation_size], axis=1).astype(np.float32)

    def action_masks(self):
        return np.ones((self.num_worlds, self.num_actions), np.bool_)

    def episode_totals(self):
        total, sold, asked = self.sums.copy()
        served = np.divide(sold, asked, out=np.ones_like(sold), where=asked > 0)
        metrics = {"units_sold": sold, "unmet_demand": asked - sold, "fill_rate": served}
        return {"return": total, "length": self.day.astype(np.float64), **metrics}

    def get_state(self):
        arrays = {name: getattr(self, name).copy() for name in ("demand", "day", "sums")}
        return {"parameters": self.parameters, "rng": self.rng.bit_generator.state, **arrays}

    def set_state(self, state):
        self.parameters, self.rng.bit_generator.state = state["parameters"], state["rng"]
        self.demand, self.day, self.sums = (state[n].copy() for n in ("demand", "day", "sums"))


def draw(parameters, split, rng, episodes):
    """Return the demand of so many episodes, whatever they are for."""
    return {"demand": rng.poisson(parameters.mean_demand, (episodes, parameters.max_steps)) * 1.0}


class OrderMean(Rule):
    """Order the mean demand."""

    def actions(self):
        """Return the orders, shape (num_worlds,)."""
        return np.full(self._batch.num_worlds, round(self._batch.parameters.mean_demand))


NEWSVENDOR = Problem("newsvendor", NewsvendorParameters, NewsvendorBatch, draw)
