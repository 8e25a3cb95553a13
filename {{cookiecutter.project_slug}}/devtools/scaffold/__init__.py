"""The commands of `make feature` and `make downstream` add code to this service by copying the example."""
