"""The example feature, to read, copy and delete: orders with lines, and an order's total in a different currency."""
