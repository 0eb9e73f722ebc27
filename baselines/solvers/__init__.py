"""Exact optima and bounds, solved on the simulators' own law of motion."""
