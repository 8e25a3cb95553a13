"""Reads environment variables, and explains misspelt names and wrong values.

Spaces around values, empty values and values in capitals are allowed.
"""

import os
from collections.abc import Iterator
from difflib import get_close_matches

from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from pydantic_settings.sources import EnvSettingsSource

CLOSE = 0.85
"""The least similarity, from 0 to 1, at which an unknown variable counts as a misspelt setting. Variables that hosting
platforms define beside DATABASE_URL, such as DATABASE_HOST and DATABASE_PRIVATE_URL, are less similar and must not stop
the start."""

LONG = 9
"""The least length at which an unknown variable without an underscore may count as a misspelt setting such as
ENVIRONMENT: shorter names, such as HOSTS, are often meant for other programs."""

FROM_PLATFORMS = frozenset({"DATABASE_USER"})
"""Variables that hosting platforms define, and that would otherwise count as misspelt settings."""

OURS = frozenset({"DRAIN", "FORWARDED", "GRACEFUL", "IDEMPOTENCY", "OFFLOAD", "TERMINATION"})
"""First words of settings that no hosting platform uses: an unknown variable that begins with such a word counts as a
misspelt setting."""

ANY_CASE = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
"""A validator that accepts the value of a setting in capitals too, as in LOG_LEVEL=INFO."""


def tidied(source: PydanticBaseSettingsSource) -> PydanticBaseSettingsSource:
    """Return a source of settings that strips spaces around values, and treats empty variables as unset."""
    if isinstance(source, EnvSettingsSource):
        source.env_vars = {name: text for name, value in source.env_vars.items() if (text := (value or "").strip())}
    return source


def hand_on(settings: BaseModel, *names: str) -> None:
    """Write settings into environment variables, which libraries read; the value None removes a variable."""
    for name in names:
        os.environ.pop(name, None)
        if (value := getattr(settings, name.lower())) is not None:
            os.environ[name] = str(value)


def metrics_folder() -> str | None:
    """Return the folder of the metrics files, which gunicorn.conf.py sets; None for a process without gunicorn."""
    return os.environ.get("PROMETHEUS_MULTIPROC_DIR")


def variables_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the name of each environment variable that a settings class reads, including nested settings."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}".upper()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from variables_of(field.annotation, f"{prefix}{name}__")


def nearest(name: str, known: set[str], similarity: float = 0.0) -> str | None:
    """Return the known setting with the most similar name; None if no name is as similar as `similarity`."""
    return next(iter(get_close_matches(name, known, n=1, cutoff=similarity)), None)


def resembled(name: str, known: set[str]) -> set[str]:
    """Return the settings that an unknown, probably misspelt name such as DATABASE_TIMEOUT resembles.

    A setting resembles the name if it has all words of the name. If there is no such setting, settings of three words
    or more that begin with the same two words resemble the name. Otherwise all settings with the same first word
    resemble the name, if no hosting platform uses this word. A name of one word, or with URL at the end, resembles no
    setting, as platforms define many such variables.
    """
    words = name.split("_")
    settings = {setting for setting in known if setting.startswith(f"{words[0]}_")}
    if len(words) == 1 or words[-1] == "URL":
        return set()
    with_all = {setting for setting in settings if set(words) <= set(setting.split("_"))}
    begins = {s for s in settings if s.count("_") > 1 and s.split("_")[:2] == words[:2]}
    return with_all or begins or (settings if words[0] in OURS else set())


def misspelt(given: set[str], known: set[str]) -> Iterator[str]:
    """Yield a line of the error message for each environment variable that is probably a misspelt setting."""
    prefixes = {name.partition("_")[0] for name in known}
    groups = {name.rpartition("__")[0] for name in known}
    for name in sorted(given - known - FROM_PLATFORMS):
        prefix, separator, _ = name.partition("_")
        if prefix == "OTEL":  # OpenTelemetry's SDK reads dozens of variables with similar names
            continue
        nested = name.partition("__")[0] in known  # pydantic itself refuses an unknown name in nested settings
        if name.rpartition("__")[0] in known - groups:  # pydantic ignores PORT__X, as PORT has no nested settings
            yield f"  {name}: there is no such setting; the nearest is {name.rpartition('__')[0]}"
            continue
        setting = nearest(name, known, CLOSE) if nearest(prefix, prefixes, CLOSE) else None
        setting = setting or nearest(name, resembled(name, known))
        if setting and not nested and (separator or len(name) >= LONG):
            yield f"  {name}: there is no such setting; the nearest is {setting}"


def explained(error: ValidationError, settings: type[BaseModel]) -> Iterator[str]:
    """Yield a line of the error message for each wrong variable: name, reason and purpose, but not the value."""
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        variable = "__".join(str(part) for part in item["loc"]).upper()
        field = settings.model_fields.get(str(item["loc"][0])) if item["loc"] else None
        purpose = f" ({' '.join(field.description.split())})" if field and field.description else ""
        reason = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            setting = nearest(variable, set(variables_of(settings)))
            reason, purpose = f"there is no such setting; the nearest is {setting}", ""
        elif item["type"] == "string_pattern_mismatch":  # pydantic's own message would show a regular expression
            reason = "this is not of the right form"
        yield f"  {variable}: {reason}{purpose}" if variable else f"  {reason}"


class EnvironmentSettings(BaseSettings):
    """The base class of `Settings`: a value comes from the arguments, else from the environment, else from `.env`.

    Spaces around values are removed, and an empty variable counts as unset.
    """

    @classmethod
    def settings_customise_sources(  # type: ignore[override] # pydantic-settings hands the sources over by name
        cls, _settings_cls: type[BaseSettings], **sources: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of the settings, most important first."""
        return sources["init_settings"], tidied(sources["env_settings"]), tidied(sources["dotenv_settings"])
