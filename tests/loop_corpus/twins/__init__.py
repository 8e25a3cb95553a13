"""Correct code that resembles blocking code: each route is a twin, with the code above since the previous route."""
