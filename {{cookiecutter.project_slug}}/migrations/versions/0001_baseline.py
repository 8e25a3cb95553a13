"""The first migration: empty, so that the readiness check has a revision to compare from the first day."""

revision: str = "{{ cookiecutter.project_slug | replace('-', '_') }}__0001"
down_revision: str | None = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
