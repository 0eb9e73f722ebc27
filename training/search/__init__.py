"""Search of hyperparameters: spaces, and a study whose trials are trainings."""
