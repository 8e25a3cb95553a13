"""Tests of the development tools, which start, break and kill real processes.

Importing `tests` removes the developer's variables from the environment, as for the tests of the service.
"""

import tests as tests
