"""What files of demand and of items make of the parameters of the supply chain."""
