"""Tests of the template: what it asks, what it refuses, what it renders, and whether that runs."""
