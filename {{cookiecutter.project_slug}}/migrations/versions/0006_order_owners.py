"""The column with the owner of an order."""

import sqlalchemy as sa
from alembic import op

revision: str = "{{ cookiecutter.project_slug | replace('-', '_') }}__0006"
# {% set newest = "0005" if cookiecutter.jobs == "yes" else {"plain": "0003"}.get(cookiecutter.example, "0004") %}
down_revision: str | None = "{{ cookiecutter.project_slug | replace('-', '_') }}__{{ newest }}"


def upgrade() -> None:
    # the owner of existing orders is empty: set the owner by hand
    op.add_column("orders", sa.Column("owner", sa.String(255), server_default="", nullable=False))
    op.alter_column("orders", "owner", server_default=None)
    op.create_index("ix_orders_owner_id", "orders", ["owner", "id"])


def downgrade() -> None:
    op.drop_index("ix_orders_owner_id", "orders")
    op.drop_column("orders", "owner")
