"""The cash / raw / product problem."""
