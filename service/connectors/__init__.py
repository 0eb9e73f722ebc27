"""Other systems: stock is pulled from them and approved orders are pushed, dry run first."""
