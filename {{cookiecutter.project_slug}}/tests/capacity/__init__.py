"""Tests of the plan, its command and its comparison with the server."""
