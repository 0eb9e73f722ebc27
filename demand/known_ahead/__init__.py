"""What is known of days before they come, and how much it multiplies demand by."""
