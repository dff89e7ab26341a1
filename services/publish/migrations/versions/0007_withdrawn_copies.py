"""What a portal still serves of a withdrawn publication, at addresses of its own."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table."""
    op.execute(
        """
CREATE TABLE publish.withdrawn_copies (
    publication TEXT NOT NULL,
    portal TEXT NOT NULL,
    resource TEXT NOT NULL,
    kind TEXT NOT NULL,
    dataset TEXT NOT NULL,
    address TEXT NOT NULL,
    state TEXT DEFAULT 'stands' NOT NULL,
    answered BOOLEAN NOT NULL,
    http INTEGER,
    listed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    looked_at TIMESTAMP WITH TIME ZONE,
    settled_by TEXT,
    settled_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (publication, portal, resource, kind)
)
"""
    )
    op.execute(
        "CREATE INDEX withdrawn_copies_dataset ON publish.withdrawn_copies (dataset, portal)"
    )


def downgrade() -> None:
    """Drops it."""
    op.execute("drop table publish.withdrawn_copies")
