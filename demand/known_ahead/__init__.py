"""What is known of days before they come, and its effect on demand."""
