"""Jobs: work that outlives its request, stored in the same transaction as the write, and run by a worker."""
