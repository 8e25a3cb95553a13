"""Jobs: work that outlives a request, stored in the same transaction as the write, and run by a worker."""
