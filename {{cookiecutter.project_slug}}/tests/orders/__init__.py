"""Tests of the example feature; they leave with it."""
