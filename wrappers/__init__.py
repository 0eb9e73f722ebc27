"""Wrappers between a simulator and an algorithm."""
