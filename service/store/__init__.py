"""What the service keeps: orders and their history, decisions, tokens, policies and the log."""
