"""Service of the lab: routes for the experiments, run by a generated service's interpreter with its modules."""
