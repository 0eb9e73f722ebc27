"""The optimum of a store with perishable goods, and a bound on it."""
