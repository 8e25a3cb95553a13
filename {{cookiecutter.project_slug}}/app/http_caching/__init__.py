"""HTTP caching: ETags, preconditions, and a cache of expensive responses."""
