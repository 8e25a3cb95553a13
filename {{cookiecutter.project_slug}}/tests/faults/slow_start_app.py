"""The service, whose workers start slowly, or fail to start, as soon as the file that SLOW_START names says so."""

import os
import time
from importlib import import_module
from pathlib import Path

SECONDS = 6.0
"""How long a slow start sleeps, in seconds: many times the shutdown of a worker without a drain."""

file = Path(os.environ["SLOW_START"])
start = file.read_text("ascii") if file.exists() else ""
if start == "slow":
    time.sleep(SECONDS)
if start == "refused":
    raise RuntimeError(start)

app = import_module("app.main").create_app(import_module("app.settings.load").load_settings())
