"""The first migration, which is empty: the readiness check needs a revision to compare from the first day on."""

revision: str = "{{ cookiecutter.project_slug | replace('-', '_') }}__0001"
down_revision: str | None = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
