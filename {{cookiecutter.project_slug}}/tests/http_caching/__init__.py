"""Tests of `app/http_caching`: 304, 412, `no-store`, and a response cache that keeps principals apart."""
