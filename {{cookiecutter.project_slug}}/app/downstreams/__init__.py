"""Downstreams: the services that this service calls over HTTP.

Every call is bounded in time and number, so a slow downstream slows down only the routes that call this downstream.
"""
