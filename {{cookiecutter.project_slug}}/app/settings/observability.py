"""Settings of slow statements. `Settings` inherits the class."""

from pydantic import BaseModel, Field


class ObservabilitySettings(BaseModel, use_attribute_docstrings=True):
    """The settings of slow statements."""

    database_slow_statement_seconds: float = Field(default=0.1, ge=0, le=3600)
    """A statement that takes this long is logged with hash, rows and route, and without values; 0 logs no statement."""
