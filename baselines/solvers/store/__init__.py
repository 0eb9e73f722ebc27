"""Long-run optima of a single store, or a store and its warehouse."""
