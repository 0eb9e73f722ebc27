"""What stands between a simulator and an algorithm."""
