"""Correct code that looks like a case: each route is a twin, with the code above it since the previous route."""
