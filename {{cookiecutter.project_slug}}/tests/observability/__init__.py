"""Tests of log lines, the log writer, the event loop monitor and telemetry."""
