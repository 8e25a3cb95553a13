"""Benchmarks that compare a generated service with other programs; `python -m benchmarks --help` lists the commands."""
