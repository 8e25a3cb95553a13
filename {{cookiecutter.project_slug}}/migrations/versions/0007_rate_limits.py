"""The table of rate limits that PostgreSQL counts: UNLOGGED, so that counting writes no WAL."""

import sqlalchemy as sa
from alembic import op

revision: str = "{{ cookiecutter.project_slug | replace('-', '_') }}__0007"
# {% set newest = {"no": {"yes": "0005", "no": "0002"}[cookiecutter.jobs]}.get(cookiecutter.example, "0006") %}
down_revision: str | None = "{{ cookiecutter.project_slug | replace('-', '_') }}__{{ newest }}"


def upgrade() -> None:
    op.create_table(
        "rate_limits",
        sa.Column("key", sa.String(80), nullable=False),
        sa.Column("paid_until", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.BigInteger(), nullable=False),
        sa.Column("allowed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_limits")),
        prefixes=["UNLOGGED"],
    )


def downgrade() -> None:
    op.drop_table("rate_limits")
