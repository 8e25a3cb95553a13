"""`python -m app.server` checks the settings, then runs gunicorn.

gunicorn reads WEB_CONCURRENCY, FORWARDED_ALLOW_IPS and PORT while its modules are imported. For an empty value or for
`auto` gunicorn ends with a traceback that names no variable. So this module removes an empty variable, and refuses a
wrong value with one line, before gunicorn is imported.
"""

import os
import runpy
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    # A signal during the imports below ends the process. Without a handler, process 1 of a container would ignore the
    # signal. `os._exit` is used, because an exception such as SystemExit could get lost in an import.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))

# isort: split
from app.settings.environment import hand_on
from app.settings.load import load_settings


def main() -> None:
    """Run gunicorn in this process with the arguments of the command line."""
    settings = load_settings(serving=True)
    hand_on(settings, "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "PORT")
    # At SIGUSR2, the signal for an upgrade, gunicorn starts sys.argv[0] again, which must be gunicorn's own program.
    sys.argv[0] = str(Path(sys.executable).with_name("gunicorn"))
    runpy.run_module("gunicorn", run_name="__main__")


if __name__ == "__main__":
    main()
