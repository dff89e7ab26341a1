"""Breach sheets: which release was withdrawn because of personal data, and when that was known."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table."""
    op.execute(
        """
CREATE TABLE publish.breaches (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    dataset TEXT NOT NULL,
    release TEXT NOT NULL,
    opened_by TEXT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id)
)
"""
    )


def downgrade() -> None:
    """Drops it."""
    op.execute("drop table publish.breaches")
