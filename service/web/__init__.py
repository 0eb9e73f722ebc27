"""The service on the network: the API, the planner's page, and what stands before both."""
