"""Tests of the middleware, each on a small application of its own."""
