"""The service of the lab: routes for the experiments, run by the interpreter of a generated service."""
