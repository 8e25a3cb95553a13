"""Correct code that looks like a case: each route is a twin, with all that stands above it since the route before."""
