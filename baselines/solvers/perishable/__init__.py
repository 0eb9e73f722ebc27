"""The optimum of a store whose goods perish, and a bound on it."""
