"""Tests of background tasks, gathered coroutines, and offloaded calls in threads and worker processes."""
