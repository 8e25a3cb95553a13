"""The corpus of blocking code: ways to block the event loop, correct twins, and which check finds which of these."""
