"""Parameters of the supply chain that come from files of demand and of items."""
