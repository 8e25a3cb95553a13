"""A load test of the service, or of one that runs already: `python -m devtools.load`, which `make load` runs."""
