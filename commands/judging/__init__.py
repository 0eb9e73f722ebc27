"""Who is judged, and on which problem."""
