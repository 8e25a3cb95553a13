"""Tests of `app/web`: the ASGI middleware and the problem responses, mostly with small applications."""
