"""Demand without an environment: files, laws, history, forecasts."""
