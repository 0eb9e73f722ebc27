"""Rules: policies that choose without learning, and what tuning may vary in them."""
