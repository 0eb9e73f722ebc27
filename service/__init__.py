"""The decision service: orders with a life, a log that proves it, and a planner's page."""
