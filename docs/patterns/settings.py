"""Settings whose errors help: all wrong variables at once, each with the purpose, and none with the value."""

import os

from app.settings.environment import EnvironmentSettings, explained, misspelt, variables_of
from pydantic import Field, SecretStr, ValidationError


class Settings(EnvironmentSettings, use_attribute_docstrings=True):
    pool_size: int = Field(default=10, ge=1)
    """The connections of one process."""

    api_key: SecretStr = Field(min_length=20)
    """The key of the rates."""


os.environ |= {"POOL_SIZE": " 0\n", "API_KEY": "my-secret"}
try:
    Settings()
    raise AssertionError("wrong settings were taken")
except ValidationError as error:
    lines = "\n".join(explained(error, Settings))

assert "POOL_SIZE: Input should be greater than or equal to 1 (The connections of one process.)" in lines
assert "API_KEY: " in lines
assert "my-secret" not in lines
(line,) = misspelt({"POOL_SIZ"}, set(variables_of(Settings)))
assert line.endswith("POOL_SIZ: there is no such setting; the nearest is POOL_SIZE")
