"""Tests of the manifest checks: planted faults are found, and so is each number when halved or doubled."""
