"""Items with a name and a price: the feature that the benchmarks add to a service, wired like any feature."""
