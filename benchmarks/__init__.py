"""Speed, measured in pairs: `make bench`."""
