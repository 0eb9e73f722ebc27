"""Data quality of a file of sales: censored demand, outliers, level shifts."""
