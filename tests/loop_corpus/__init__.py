"""The corpus: ways to block the event loop, correct twins, and the measurement of which check notices which."""
