"""Functions for tests of updates: a template in a git repository, and services that a user has changed since."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import IDENTITY
from tests.programs import environment, must, run
from tests.repository import SERVICE, Answers, cookiecutter_home, copy_template, render


def git(folder: Path, *arguments: str) -> str:
    """Run git with a neutral author, and without the developer's configuration."""
    return must(["git", *IDENTITY, *arguments], folder, env=lonely())


def lonely() -> dict[str, str]:
    """Return an environment in which git finds no author and no configuration."""
    return environment({"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PYTHONUTF8": "1"})


def start(folder: Path) -> Path:
    """Make a folder a git repository, and commit all files."""
    git(folder, "init", "--quiet", "--initial-branch=main")
    return commit(folder)


def commit(folder: Path) -> Path:
    """Commit all changes in a git repository."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message=change")
    return folder


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that occurs exactly once in a file."""
    text = path.read_text("utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new), "utf-8")


def template_in(folder: Path) -> Path:
    """Return a copy of the template in a git repository."""
    return start(copy_template(folder / "service-template"))


def generate(template: str | Path, folder: Path, *arguments: str, **variables: str) -> Path:
    """Run cookiecutter in a folder as a user does, and return the generated service."""
    home = ["--config-file", str(cookiecutter_home(folder))]
    done = run(
        [Path(sys.prefix, "bin", "cookiecutter"), template, "--no-input", *home, *arguments],
        folder,
        env=lonely() | variables,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out/order-service" if "--output-dir=out" in arguments else folder / "order-service"


def service_in(folder: Path, template: Path, answers: Answers) -> Path:
    """Return a generated service in a git repository, as users have."""
    return start(render(template, folder, answers))


def tool(service: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command behind `make template` in a service, with the cookiecutter of these tests."""
    command = [sys.executable, "-m", "devtools.template", *arguments]
    done = run(command, service, env=lonely() | variables)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def tree(folder: Path) -> str:
    """Return the hash of the tree of all committed files, which includes the file modes."""
    assert git(folder, "status", "--porcelain") == ""
    return git(folder, "rev-parse", "HEAD^{tree}")


def sources(template: Path) -> Path:
    """Return the folder with the service's sources inside a template."""
    return template / SERVICE.name


def add_feature(service: Path, name: str) -> None:
    """Add a feature as the README describes: a router, a route group, a downstream, and lines in .env.example."""
    (service / "app" / name).mkdir()
    (service / "app" / name / "__init__.py").write_text("")
    (service / "app" / name / "routes.py").write_text("from fastapi import APIRouter\n\nrouter = APIRouter()\n")
    main, groups = service / "app/main.py", service / "app/settings/route_groups.py"
    edit(main, "\n# yours below\n", f"\n# yours below\nfrom app.{name}.routes import router as {name}\n")
    edit(main, "    # yours below\n", f"    # yours below\n    app.include_router({name})\n")
    before, between, after = groups.read_text("utf-8").split(mark := "    # yours below\n")
    path, field = f'    "{name}": ("/api/v1/{name}",),\n', f"    {name}: RouteGroup = RouteGroup()\n"
    groups.write_text(f"{before}{mark}{path}{between}{mark}{field}{after}", "utf-8")
    settings_mark = "# yours below: route groups\n"
    edit(service / ".env.example", settings_mark, f"{settings_mark}# ROUTE_GROUPS__{name.upper()}__MAX_CONCURRENT=\n")
    if not (service / "app/settings/downstreams.py").exists():  # a service without an HTTP client has no downstreams
        return
    downstream = f"    # yours below\n    {name}: DownstreamSettings = DownstreamSettings()\n"
    edit(service / "app/settings/downstreams.py", "    # yours below\n", downstream)
    with (service / ".env.example").open("a") as settings:
        settings.write(f"\n# The downstream `{name}`\n# DOWNSTREAMS__{name.upper()}__BASE_URL=\n")
