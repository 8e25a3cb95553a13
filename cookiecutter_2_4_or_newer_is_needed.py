"""Refuses an old cookiecutter, and options that it would ignore, before the first question; cookiecutter.json loads it.

cookiecutter 1.7 cannot load a module of the template, and shows only the name of the missing module: so this module's
name is the message. Other old versions load this module, which raises. Without it they leave a traceback and half a
service.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment
from jinja2.ext import Extension

FLOOR = (2, 4)
QUESTIONS: dict[str, Any] = json.loads(Path(__file__).with_name("cookiecutter.json").read_text("utf-8"))

found = version("cookiecutter")
if tuple(int(part) for part in found.split(".")[:2]) < FLOOR:
    raise ImportError(f"cookiecutter {found} is too old: install 2.4 or newer, or use `uv tool run cookiecutter`.")


def arguments_of_cookiecutter() -> Mapping[str, Any]:
    """Return the variables of the running `cookiecutter.main.cookiecutter`, which hands no extension its arguments."""
    frame = sys._getframe()  # noqa: SLF001 - the documented way to a caller's frame; `inspect.stack` would read all source files
    while frame.f_back and (frame.f_globals["__name__"], frame.f_code.co_name) != ("cookiecutter.main", "cookiecutter"):
        frame = frame.f_back
    return frame.f_locals if frame.f_back else {}  # cruft calls parts of cookiecutter, and not this function


def problems(arguments: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each argument and default that cookiecutter would ignore, or that breaks the service."""
    if arguments.get("accept_hooks") is False:
        yield "the hooks check the answers, and remove the files of other answers: generate with --accept-hooks yes."
    for name in (arguments.get("extra_context") or {}).keys() - QUESTIONS.keys():
        yield f"there is no question {name}: the questions are {', '.join(q for q in QUESTIONS if q[0] != '_')}."
    for name, answer in arguments.get("config_dict", {}).get("default_context", {}).items():
        choices = QUESTIONS.get(name)
        if isinstance(choices, list) and answer not in choices:
            yield (
                f"the default of {name} in your configuration is none of {', '.join(choices)}, and cookiecutter would "
                'ignore all defaults that follow: write it in quotes, as in "no", or pass --default-config.'
            )


class Floor(Extension):
    """An extension of Jinja that checks how cookiecutter was called, and tells the hooks the folder of the template."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        if (problem := next(problems(arguments_of_cookiecutter()), None)) is not None:
            raise ImportError(problem)  # cookiecutter shows only the text of an ImportError, without a traceback
        # cookiecutter looks for a hook in the folder `hooks` of the current folder, and renders it there
        environment.globals["template_folder"] = str(Path.cwd())
