"""Optima of a single store, or a store and its warehouse, in the long run."""
