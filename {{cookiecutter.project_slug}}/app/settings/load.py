"""Loads the settings from environment variables and `.env`; only this package reads environment variables.

A wrong value stops the start with a line that names the variable and the fix. The line never shows the value, which may
be a secret.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, SettingsError

from app.settings.environment import explained, misspelt, variables_of
from app.settings.service import Settings

REFUSED = "The service cannot start with these settings:"
KNOWN = set(variables_of(Settings))


def explain(error: ValidationError) -> str:
    """Return the message about invalid settings: one line per variable, without the values, which may be secrets."""
    return _message(explained(error, Settings))


def _message(lines: Iterator[str] | list[str]) -> str:
    return "\n".join([REFUSED, *lines, f"Set them in the environment or in {Path('.env').resolve()}."])


def _unset_addresses(settings: BaseModel, prefix: str = "") -> Iterator[str]:
    """Yield the variable of each group of settings whose `base_url`, the address of another service, is unset."""
    for name, value in settings:
        if isinstance(value, BaseModel):
            yield from _unset_addresses(value, f"{prefix}{name}__".upper())
        elif name == "base_url" and value is None:
            yield f"{prefix}BASE_URL"


def log_fields(settings: Settings) -> dict[str, str]:
    """Return the keys and values that every log line of the process has, such as the service's name and version."""
    return {"service": settings.service_name, "version": settings.service_version}


def load_settings(*, serving: bool = False) -> Settings:
    """Load the settings from environment variables and `.env`.

    Args:
        serving: whether the process will serve requests; then production needs the address of every other service.
            Commands such as a migration need no address.

    Raises:
        SystemExit: a value is missing or wrong, or a name is misspelt; the message names each variable and the fix.
    """
    try:
        sources = EnvSettingsSource(Settings), DotEnvSettingsSource(Settings)
        given = {name.upper() for source in sources for name in source.env_vars}
        wrong = [*misspelt(given, KNOWN)]
        settings = Settings()
        if serving and not settings.development:
            wrong += [f"  {name} must be set when ENVIRONMENT is production" for name in _unset_addresses(settings)]
    except ValidationError as error:
        wrong += explained(error, Settings)
    # SettingsError: the value of a nested setting is no JSON; the error's message has the field's name in quotes.
    except SettingsError as error:
        group = str(error).split('"')[1].upper()
        wrong.append(f"  {group}: the value is no JSON: remove it, and write {group}__<NAME>__<SETTING>")
    except UnicodeDecodeError:
        raise SystemExit(f"{Path('.env').resolve()} is not UTF-8: save it in this encoding.") from None
    if wrong:
        raise SystemExit(_message(wrong))
    return settings
