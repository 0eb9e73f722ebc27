"""Roll-outs on common traces, statistics and comparison."""
