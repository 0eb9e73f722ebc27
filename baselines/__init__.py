"""Policies without learning, their tuning, and exact optima and bounds."""
