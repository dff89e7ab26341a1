"""The other portals: identity map, copies, arrivals, circuits."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
CREATE TABLE publish.portal_ids (
    portal TEXT NOT NULL,
    ours TEXT NOT NULL,
    dataset TEXT NOT NULL,
    theirs TEXT NOT NULL,
    PRIMARY KEY (portal, ours)
)
""",
    """
CREATE INDEX portal_ids_dataset ON publish.portal_ids (dataset, portal)
""",
    """
CREATE TABLE publish.portal_copies (
    dataset TEXT NOT NULL,
    portal TEXT NOT NULL,
    publication TEXT,
    release TEXT,
    generation BIGINT,
    number BIGINT,
    left_there JSONB,
    edits JSONB DEFAULT '[]' NOT NULL,
    warnings JSONB DEFAULT '[]' NOT NULL,
    leased_by TEXT,
    lease_until TIMESTAMP WITH TIME ZONE,
    next_look TIMESTAMP WITH TIME ZONE,
    looked_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (dataset, portal)
)
""",
    """
CREATE TABLE publish.arrivals (
    publication TEXT NOT NULL,
    portal TEXT NOT NULL,
    dataset TEXT NOT NULL,
    release TEXT NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL,
    reasons JSONB DEFAULT '[]' NOT NULL,
    files JSONB DEFAULT '[]' NOT NULL,
    differences JSONB DEFAULT '[]' NOT NULL,
    due TIMESTAMP WITH TIME ZONE NOT NULL,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    verified_at TIMESTAMP WITH TIME ZONE,
    arrived_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (publication, portal)
)
""",
    """
CREATE INDEX arrivals_dataset ON publish.arrivals (dataset, portal)
""",
    """
CREATE INDEX arrivals_state ON publish.arrivals (state, due)
""",
    """
CREATE TABLE publish.portal_circuits (
    portal TEXT NOT NULL,
    failures INTEGER DEFAULT '0' NOT NULL,
    code TEXT,
    open_until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (portal)
)
""",
)


def upgrade() -> None:
    """Creates the tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drops them."""
    for name in ("portal_circuits", "arrivals", "portal_copies", "portal_ids"):
        op.execute(f"drop table publish.{name}")
