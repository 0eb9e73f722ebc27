"""Databases: the state of stores that is read from them, and the orders written to them."""
