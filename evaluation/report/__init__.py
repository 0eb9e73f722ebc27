"""The report of a comparison: one HTML file that works offline, and its figures as PNG."""
