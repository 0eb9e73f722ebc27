"""Optima and bounds of stores, alone and in the supply chain."""
