"""The load test of `make load`, `python -m devtools.load`: sends requests to the service and reports latencies."""
