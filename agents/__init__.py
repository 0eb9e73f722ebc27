"""What Stable-Baselines3 learns with: settings, algorithms, models and run folders."""
