"""Costs, prices and supply terms of every product, from an items file."""
