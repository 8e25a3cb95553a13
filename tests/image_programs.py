"""Programs that tests run inside a container image, by `python -c`."""

SIZES = "import sys; from pathlib import Path; print(sum(p.lstat().st_size for p in Path(sys.argv[1]).rglob('*')))"

WRITE = """
import sys
from contextlib import suppress
from pathlib import Path
for folder in sys.argv[1:]:
    with suppress(OSError):
        (Path(folder) / "written").touch()
        print(folder)
"""

PACKAGES = """
import json
from importlib.metadata import distributions
path = ["/service/.venv/lib/python3.13/site-packages"]
print(json.dumps([(part.name, part.version) for part in distributions(path=path)]))
"""

EARLY = """
import runpy, signal, sys
def look(event, arguments):
    late = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if event == "import" and arguments[0].partition(".")[0] in {"pydantic", "gunicorn", "sqlalchemy"} and late:
        raise SystemExit("no handler of SIGTERM before " + arguments[0])
sys.addaudithook(look)
sys.argv = ["app.server", "--check-config"]
runpy.run_module("app.server", run_name="__main__", alter_sys=True)
"""
"""A program that starts the service, and fails if a large package is imported before SIGTERM has a handler."""
