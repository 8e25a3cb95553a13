"""Tests of the template: the questions, the answers that are refused, and whether the rendered service runs."""
