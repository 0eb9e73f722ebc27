"""Forecasts of demand of a file from the days before."""
