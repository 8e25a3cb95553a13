"""Bounded HTTP calls to downstreams: a slow downstream slows down only the routes that call the downstream."""
