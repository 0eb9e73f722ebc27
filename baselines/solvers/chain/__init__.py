"""Bounds and programmes of the stores of a supply chain over an episode."""
