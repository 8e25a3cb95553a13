"""The example feature `orders`, to read, copy and delete: orders with lines, and totals in a different currency."""
