"""Context variables of the request that is being served, and the context for work that outlives the request."""
