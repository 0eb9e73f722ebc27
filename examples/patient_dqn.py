"""An algorithm of your own: DQN that collects longer before it learns.

::

    python train.py --plugin examples.patient_dqn --config examples/patient_dqn.yaml
"""

from agents.algorithms import ALGORITHMS, Algorithm
from agents.hyperparameters import DQN


class PatientDQN(DQN):
    """Hyperparameters as those of DQN, with another default."""

    learning_starts: int = 5_000


ALGORITHMS["patient_dqn"] = Algorithm("agents.models:BatchedDQN", PatientDQN, off_policy=True)
