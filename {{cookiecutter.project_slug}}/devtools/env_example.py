"""Keeps `.env.example` complete: `make env` adds a line for each new setting, and removes lines of old settings."""

import re
from collections.abc import Collection
from pathlib import Path

from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from app.settings.service import Settings

FILE = Path(__file__).resolve().parent.parent / ".env.example"

LINE = re.compile(r"#? ?([A-Z][A-Z0-9_]+)=")
"""Matches the start of a line of `.env.example` with a setting, also if the line is commented out."""

MARK = "# yours below: route groups"
"""The line of `.env.example` below which developers add the settings of their route groups."""

HEADING = "# The downstream `{}`; production does not start without its address."


def settings_of(group: BaseModel | type[BaseModel] = Settings, prefix: str = "") -> dict[str, str]:
    """Return the default of each environment variable as text, in the order of the fields, with nested settings."""
    found: dict[str, str] = {}
    for name, field in (group if isinstance(group, type) else type(group)).model_fields.items():
        default = field.default if isinstance(group, type) else getattr(group, name)
        if isinstance(default, BaseModel):
            found |= settings_of(default, f"{prefix}{name}__".upper())
        else:
            found[f"{prefix}{name}".upper()] = shown(default)
    return found


def shown(default: object) -> str:
    """Return a default value as text for an environment variable; an empty text means unset."""
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default in (None, PydanticUndefined) else str(default)


def downstream_of(variable: str) -> str | None:
    """Return the downstream that an environment variable configures; None for any other variable."""
    return variable.split("__")[1].lower() if variable.startswith("DOWNSTREAMS__") else None


def completed(text: str, settings: dict[str, str]) -> str:
    """Return the text of `.env.example` with a line for every setting; new lines follow the setting before them."""
    lines = [line for line in text.splitlines() if not is_outdated(line, settings)]
    position = len(lines)
    for variable, default in settings.items():
        names = [found[1] if (found := LINE.match(line)) else "" for line in lines]
        if variable in names:
            position = names.index(variable) + 1
            continue
        # A developer's line must not be next to lines that depend on a template answer: both would conflict in template
        # updates.
        position += lines[position : position + 1] == [MARK]
        new = [f"# {variable}={default}"]
        heading = HEADING.format(downstream_of(variable))
        if downstream_of(variable) and heading not in lines:
            new, position = ["", heading, *new], len(lines)
        lines[position:position] = new
        position += len(new)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n") + "\n"  # a removed block leaves one empty line


def is_outdated(line: str, settings: Collection[str]) -> bool:
    """Tell whether a line of `.env.example` is about a setting or a downstream that no longer exists."""
    if line.startswith(HEADING.partition("{")[0]):
        return line not in map(HEADING.format, map(downstream_of, settings))
    found = LINE.match(line)
    return found is not None and found[1] not in settings


if __name__ == "__main__":
    FILE.write_text(completed(FILE.read_text("utf-8"), settings_of()), "utf-8")
