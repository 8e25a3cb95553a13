"""Development tools, which the container image lacks: PostgreSQL, stub downstreams, runner, load test, charts.

Ctrl-C while a command `python -m devtools...` still imports its modules ends the command without a traceback.
"""

import sys

# While Python locates the module of a command `python -m devtools...`, sys.argv[0] is "-m". Programs that import this
# package, such as pytest, have a different sys.argv[0], and keep their tracebacks.
if sys.argv[0] == "-m":
    sys.excepthook = lambda kind, *rest: None if kind is KeyboardInterrupt else sys.__excepthook__(kind, *rest)
