"""The service that the experiments ask. It runs under a generated service's interpreter, and uses its modules."""
