"""The example feature: orders with lines, and what they cost in another currency. Read it, copy it, delete it."""
