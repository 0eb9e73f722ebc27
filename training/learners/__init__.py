"""Who learns and who plays: the learners of a run, and the policies of all other agents.

A problem with one kind of agent has a single learner, whose player's name is empty. In the supply
chain every tier (or every store) is a player: it learns, or a rule or a trained model plays it.
"""
