"""The root of the history: empty, so that readiness has a revision to compare from the first day."""

revision: str = "0001"
down_revision: str | None = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
