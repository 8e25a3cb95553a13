"""`make doctor` checks a developer's checkout: prints a line for each part, with `ok` or the command that repairs it.

`make doctor` runs this module with the Python of the shell, before anything is installed. So it uses the standard
library only, and the syntax of Python 3.8, so that even an old Python prints a sentence. Child processes find out what
is installed. No line shows the value of a setting, which may be a secret.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen, TimeoutExpired

ROOT = Path(__file__).resolve().parent.parent
PYTHON = str(ROOT / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))

OK, NOTE, DO = "ok  ", "note", "do  "
"""First words of the lines that `make doctor` prints: nothing to do, something to know, something to do."""

MOMENT, PATIENCE = 5.0, 60.0
"""The longest waits of `make doctor`, in seconds: for the network, and for a program of this machine when busy."""

LOAD = """
import os, app.settings.load as settings, devtools.postgres as given
from app.capacity.from_settings import plan_for
from app.capacity.plan import CapacityError
defaults = {'ENVIRONMENT': 'development', 'DATABASE_URL': 'postgresql://127.0.0.1/app'}
os.environ.update({name: given.setting(name) or defaults[name] for name in defaults})
try:
    plan_for(settings.load_settings())
except CapacityError as error:
    raise SystemExit(str(error))
"""
"""Python code that loads the settings and computes the capacity plan, as `make run` does, with the service's code."""


def run(*command: str, seconds: float = PATIENCE) -> tuple[int, str]:
    """Return the exit code and the output of a program; the code is -1 if the program is missing or takes too long."""
    env = {**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    try:  # in a new session, the program can be killed with its children, and cannot ask for a password
        child = Popen(command, cwd=ROOT, env=env, stdin=PIPE, stdout=PIPE, stderr=STDOUT, start_new_session=True)
        output, _ = child.communicate(timeout=seconds)
    except OSError:
        return -1, ""
    except TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL) if hasattr(os, "killpg") else child.kill()
        return -1, ""
    return child.returncode, output.decode("utf-8", "replace")


def read(name: str) -> str:
    """Return the text of a file of the service, empty if there is no such file."""
    return (ROOT / name).read_text("utf-8", "replace") if (ROOT / name).exists() else ""


def fits(version: str, name: str) -> tuple[bool, str]:
    """Tell whether a version is at least the minimum that pyproject.toml allows, and return the minimum too."""
    bound = "".join(re.findall(name + ' = ">=([0-9.]+)"', read("pyproject.toml")))
    found, wanted = ([int(number) for number in re.findall(r"\d+", text)[:3]] for text in (version, bound))
    return found >= wanted, bound


def python() -> Iterator[str]:
    """Check the version of the Python that runs `make doctor`."""
    found = sys.version.split()[0]
    enough, bound = fits(found, "requires-python")
    old = (
        f"{DO} Python {found} is too old: install {bound} or newer and name it, as in `make setup PYTHON=python{bound}`"
    )
    yield f"{OK} Python {found}" if enough else old


def folder() -> Iterator[str]:
    """Check that this user may write to the project's folders, which root may have created by a copy or a command."""
    written = ROOT, ROOT / ".venv", ROOT / ".devtools", ROOT / "uv.lock"
    if any(path.exists() and not os.access(path, os.W_OK) for path in written):
        yield f"{DO} folder has files of a different user: as root, `chown -R {getattr(os, 'getuid', int)()} {ROOT}`"


def packages() -> Iterator[str]:
    """Check with uv that uv.lock and the installed packages agree with pyproject.toml."""
    versions = {program: run(program, "--version")[1] for program in ("uv", str(ROOT / ".uv/bin/uv"))}
    uv = next((program for program, version in versions.items() if fits(version, "required-version")[0]), "")
    if not uv:
        yield f"{DO} uv is missing or older than {fits('', 'required-version')[1]}: `make setup` installs its own"
        return
    yield f"{OK} {versions[uv].strip()}"
    code, said = run(uv, "sync", "--check", "--locked", "--inexact", "--offline", "--python", PYTHON)
    if code and ("lockfile" in said or "network was disabled" in said):
        yield f"{DO} uv.lock is missing, or does not fit pyproject.toml: `make setup` writes it, then commit it"
    else:
        yield f"{DO} .venv lacks packages: `make setup`" if code else f"{OK} uv.lock and .venv fit pyproject.toml"


def settings() -> Iterator[str]:
    """Check the environment and `.env` with the service's own settings, and report unknown names in `.env`."""
    code, said = run(PYTHON, "-c", LOAD)
    if "Traceback" in said:
        yield f"{DO} settings cannot be loaded: `make setup`, or see `uv run python -c 'import app.settings.load'`"
    elif code >= 0:
        refused = said.splitlines()[1:-1] or [said]
        yield from [f"{DO} setting {line.strip()}" for line in refused] if code else [f"{OK} settings are valid"]
    for name in re.findall(r"^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*=", read(".env"), re.MULTILINE):
        if name not in said and not re.search(rf"(?im)^#? ?{name}(__\w+)?=", read(".env.example")):
            yield f"{NOTE} {name} in .env is the name of no setting: .env.example has all names"


def running() -> Iterator[str]:
    """Check the port, the database and its migrations, in a process that can import the installed packages."""
    code, said = run(PYTHON, "-m", "devtools.doctor_inside")
    yield from [f"{DO} port and database need the packages: `make setup`"] if code else said.splitlines()


def template() -> Iterator[str]:
    """Check whether the template has newer commits than the last update of this service."""
    state = dict(re.findall(r'"(template|commit|checkout)": "(.+)"', read(".cruft.json")))
    address, commit, ref = (state.get(name, "") for name in ("template", "commit", "checkout"))
    code, said = run("git", "ls-remote", "--", address, ref or "HEAD", seconds=MOMENT)
    unknown, count = run("git", "-C", address, "rev-list", "--count", f"{commit}..{ref or 'HEAD'}")
    if not address:
        yield f"{NOTE} template is not named in .cruft.json: `uv tool run cruft link <its address>` does it"
    elif code or not said:
        yield f"{NOTE} template did not answer at once: `make template` waits for it"
    elif said.startswith(commit):
        yield f"{OK} template has nothing newer than {commit[:9]}"
    else:
        ahead = "some commits" if unknown else f"{count.strip()} commit{'' if count.strip() == '1' else 's'}"
        yield f"{NOTE} template is {ahead} ahead: `make template` tells more"


def git() -> Iterator[str]:
    """Check with git for uncommitted changes, and for files that must not be committed."""
    code, said = run("git", "status", "--porcelain", "--", ".")
    if "dubious ownership" in said:
        yield f"{DO} git distrusts a folder of a different user: `git config --global --add safe.directory {ROOT}`"
    elif code:
        yield f"{DO} git has no repository here: `git init`, `git add --all`, `git commit`"
    elif run("git", "ls-files", "--", ".env")[1]:
        yield f"{DO} git has .env, which may have secrets: `git rm --cached .env`"
    else:
        changes = f"{NOTE} git lacks {len(said.splitlines())} changes: `git status` lists them"
        yield changes if said else f"{OK} git has all changes"


def main() -> int:
    """Print the lines of all checks, which run concurrently; return 1 if a check found something to do."""
    checks = (python, folder, packages, settings, running, template, git)
    with ThreadPoolExecutor(len(checks)) as pool:
        lines = [line for found in pool.map(lambda check: [*check()], checks) for line in found]
    print(*lines, sep="\n")
    return int(any(line.startswith(DO) for line in lines))


if __name__ == "__main__":
    sys.exit(main())
