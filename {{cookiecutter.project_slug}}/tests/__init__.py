"""The tests of the service. They run the app that ships on a real PostgreSQL; fakes stand at the edge only.

The environment of the person who runs them must not reach them: a database that somebody named in DATABASE_URL is
never touched. So this file, which is imported before any other, takes the service's variables away.
"""

import os

from app.settings import Settings

for variable in list(os.environ):
    if variable.partition("__")[0].lower() in Settings.model_fields:
        del os.environ[variable]
# `app.main` builds the app that ships as soon as it is imported; this one is never started.
os.environ |= {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "ENVIRONMENT": "development"}
