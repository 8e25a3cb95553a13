"""Items with a name and a price: the feature that the benchmarks add, wired as any feature is."""
