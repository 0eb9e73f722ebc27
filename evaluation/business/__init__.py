"""Business figures of a replay: service and its price, bad weeks, forecasts, other costs."""
