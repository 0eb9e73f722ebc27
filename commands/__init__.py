"""What the scripts do: options in, tables and files out."""
