"""Forecasts of a file's demand from the days before."""
