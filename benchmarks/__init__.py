"""Side-by-side measurements of a generated service; `python -m benchmarks --help` says what there is."""
