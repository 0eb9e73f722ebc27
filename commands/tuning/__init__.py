"""Tuning: rules by simulation, hyperparameters by trials."""
