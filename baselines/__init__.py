"""Policies that learn nothing, their tuning, and exact optima and bounds."""
