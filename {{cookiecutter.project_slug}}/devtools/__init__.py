"""Tools for development, not in the image: PostgreSQL, stubs of downstreams, runner, load test, capacity charts.

Ctrl-C while a command `python -m devtools...` still imports its modules ends the command without a traceback.
"""

import sys

if sys.argv[0] == "-m":  # Python looks for the module of a command; other programs import this package later
    sys.excepthook = lambda kind, *rest: None if kind is KeyboardInterrupt else sys.__excepthook__(kind, *rest)
