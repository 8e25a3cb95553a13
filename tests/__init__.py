"""Tests of the template: its questions, the answers that it refuses, and whether the rendered service runs."""
