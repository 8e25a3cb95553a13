"""Tests of background tasks, gathered coroutines, offloaded calls, and what runs them."""
