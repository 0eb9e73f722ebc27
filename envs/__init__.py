"""Environments: the Gymnasium faces of the simulators."""
