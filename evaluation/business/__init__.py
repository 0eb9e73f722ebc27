"""What a replay means for a business: service and its price, bad weeks, forecasts, other costs."""
