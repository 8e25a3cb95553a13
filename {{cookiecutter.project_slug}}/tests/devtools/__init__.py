"""Tests of the tools for development; they start, break and kill real processes."""
