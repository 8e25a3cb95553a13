"""The service, whose workers start slowly as soon as the file exists that the variable SLOW_START names."""

import os
import time
from pathlib import Path

from app.main import create_app
from app.settings.load import load_settings

SECONDS = 6.0
"""How long a slow start sleeps, in seconds: many times the shutdown of a worker without a drain."""

if Path(os.environ["SLOW_START"]).exists():
    time.sleep(SECONDS)

app = create_app(load_settings())
