"""The exposure register."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the register."""
    op.execute("""
CREATE TABLE anonymize.exposures (
    dataset TEXT NOT NULL,
    release TEXT NOT NULL,
    body JSONB NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (dataset, release)
)
""")


def downgrade() -> None:
    """The register goes with its schema."""
    op.execute("drop schema anonymize cascade")
