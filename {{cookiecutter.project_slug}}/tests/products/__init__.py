"""Tests of `app/products`, the second example feature."""
