"""What a file of sales does not say by itself: demand that was cut off, outliers, level shifts."""
