"""`python -m app.server` checks the settings, then runs gunicorn.

gunicorn reads WEB_CONCURRENCY, FORWARDED_ALLOW_IPS and PORT while it is imported. It ends with a traceback for an empty
value and for `auto`, and names no variable; here such a value is unset, or refused with one line.
"""

import runpy
import signal
import sys
from pathlib import Path

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the reason is in gunicorn.conf.py

# isort: split
from app.settings.environment import hand_on
from app.settings.load import load_settings


def main() -> None:
    """Run gunicorn in this process with the arguments of the command line."""
    settings = load_settings(serving=True)
    hand_on(settings, "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "PORT")
    sys.argv[0] = str(Path(sys.executable).with_name("gunicorn"))  # gunicorn starts this file anew at SIGUSR2
    runpy.run_module("gunicorn", run_name="__main__")


if __name__ == "__main__":
    main()
