"""Tests of `app/orders`, the example feature."""
