"""Statistics of episodes that are played in chunks."""
