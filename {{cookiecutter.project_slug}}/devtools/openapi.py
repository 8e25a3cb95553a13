"""`python -m devtools.openapi`: prints the OpenAPI document, without a database and without a server.

The output is deterministic: paths and schemas stay in the order of the code.
"""

import json
import os
import sys
from importlib import import_module
from io import TextIOWrapper

VARIABLES = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "ENVIRONMENT": "development"}
"""Settings without which the application cannot be built; no server starts, so no connection is opened."""

if __name__ == "__main__":
    os.environ |= VARIABLES
    document = json.dumps(import_module("app.main").app.openapi(), indent=2, ensure_ascii=False)
    TextIOWrapper(sys.stdout.buffer, "utf-8", newline="\n").write(document + "\n")
