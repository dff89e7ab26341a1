"""What each policy said: a stricter one withdraws what weaker ones let out."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table."""
    op.execute(
        """
CREATE TABLE publish.policies (
    policy TEXT NOT NULL,
    body JSONB NOT NULL,
    PRIMARY KEY (policy)
)
"""
    )


def downgrade() -> None:
    """Drops it."""
    op.execute("drop table publish.policies")
