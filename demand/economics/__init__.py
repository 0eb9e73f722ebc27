"""What a unit of every product costs, earns and takes, from a file."""
