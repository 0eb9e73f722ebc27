"""Bounds and dynamic programmes for the stores of a supply chain over an episode."""
