"""Rules for an environment of your own, and one more for a problem of this project.

``--plugin examples.kiosk_rule`` imports this module, and the rules take part in every evaluation.
An installed package gets the same without the option by an entry point::

    [options.entry_points]
    inventory_rl.plugins =
        kiosk = examples.kiosk_rule
"""

import numpy as np

from baselines.policy import Actions, Rule
from baselines.registry import BASELINES, RANDOM_PLAY, FixedRule


class OrderAlways(Rule):
    """Order the same number every day."""

    def __init__(self, order: int) -> None:
        self._order = order

    def actions(self) -> Actions:
        """Return one action per world."""
        return np.full(self._batch.num_worlds, self._order)


BASELINES["examples.kiosk:Kiosk"] = {
    "random": RANDOM_PLAY,
    "order_mean": FixedRule(lambda parameters, seed: OrderAlways(round(parameters.mean_demand))),
}
BASELINES["cash"]["always_wait"] = FixedRule(lambda parameters, seed: OrderAlways(0))
