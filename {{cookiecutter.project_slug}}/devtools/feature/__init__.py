"""`make feature`: a new feature, made from the example."""
