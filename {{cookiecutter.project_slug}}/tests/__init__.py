"""Tests of the service: the production app runs on a real PostgreSQL, and only downstreams are replaced by fakes.

The developer's environment must not reach the tests: no test may touch a database named in DATABASE_URL. This file is
imported before all other test files, and removes the service's variables from the environment.
"""

import os
from contextlib import chdir
from importlib import import_module
from pathlib import Path

from app.settings.service import Settings

for variable in list(os.environ):
    if variable.partition("__")[0].lower() in Settings.model_fields:
        del os.environ[variable]
# Importing `app.main` builds an app, which needs DATABASE_URL and ENVIRONMENT; no test starts this app, so nothing
# connects to that URL.
os.environ |= {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "ENVIRONMENT": "development"}
# The import also reads `.env` of the current folder. This folder has none: a developer's `.env` could break the tests'
# capacity plans.
with chdir(Path(__file__).parent):
    import_module("app.main")
