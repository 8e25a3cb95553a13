"""Downstreams are the services that this service calls over HTTP.

Every call is bounded, so a slow downstream slows down only the routes that call the downstream.
"""
