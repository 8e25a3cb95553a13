"""The example feature, to read, copy and delete: orders with lines, and the total of an order in another currency."""
