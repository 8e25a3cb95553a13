"""The example feature `products`: routes whose work is offloaded to a thread or a worker process."""
