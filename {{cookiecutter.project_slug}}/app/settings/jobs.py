"""Settings of the jobs and their workers: JOBS__MAX_CONCURRENT and so on, a group of the capacity settings."""

from pydantic import BaseModel, Field


class JobsSettings(BaseModel, frozen=True, use_attribute_docstrings=True, extra="forbid"):
    """The bounds and the times of the workers, which run the jobs."""

    max_concurrent: int = Field(default=10, ge=1, le=200)
    """Jobs that one worker runs at the same time."""
