"""The second example feature: products, with work that is offloaded to a thread or a worker process."""
