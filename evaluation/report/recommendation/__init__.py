"""The report of a recommendation, for the person who decides: one HTML file that works offline."""
