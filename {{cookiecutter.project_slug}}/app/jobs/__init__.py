"""Jobs: work that outlives a request; a job is stored in the transaction of a write, and run by a job worker."""
