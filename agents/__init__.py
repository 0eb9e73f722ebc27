"""Everything Stable-Baselines3: runs, algorithms, training."""
