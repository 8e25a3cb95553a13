"""The commands `make feature` and `make downstream`: they add code to this service by copying the example."""
