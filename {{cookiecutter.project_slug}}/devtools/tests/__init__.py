"""Tests of the tools for development; they start, break and kill real processes.

The variables of the person who runs them are taken away, as for the service's own tests: by importing those.
"""

import tests as tests
