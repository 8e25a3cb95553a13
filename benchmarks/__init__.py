"""Benchmarks of a generated service beside other programs; `python -m benchmarks --help` lists the commands."""
