"""Renders this service with the example, for `make feature` in a service whose example was deleted."""

import sys
from pathlib import Path

from devtools.template.source import fetch

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    template = fetch(folder / "clone")
    commit = template.commit(template.state["commit"])
    # the example needs an HTTP client; a feature that is copied from it needs none
    asked = {"example": "plain", "http_client": "httpx"}
    print(template.render(commit, template.answers(commit, asked), folder / "rendered")[0])
