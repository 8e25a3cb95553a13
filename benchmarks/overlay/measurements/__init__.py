"""Measurements that run in the service's own interpreter, in one process; `benchmarks.in_process` starts them."""
