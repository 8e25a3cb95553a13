"""Measurements that run in the service's own Python, in one process; `benchmarks.in_process` starts them."""
