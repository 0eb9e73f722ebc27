"""Learning: sessions, learners, evaluation while training, resuming."""
