"""Rules: policies that choose without learning, and the parameters that tuning may vary."""
