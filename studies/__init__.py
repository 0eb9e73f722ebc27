"""Small studies that one command reproduces."""
