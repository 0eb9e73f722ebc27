"""The supply chain: a supplier, a warehouse and N stores."""
