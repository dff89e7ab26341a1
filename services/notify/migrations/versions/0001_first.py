"""The first tables of notify."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """
CREATE TABLE notify.harvest_checks (
    publication TEXT NOT NULL,
    portal TEXT NOT NULL,
    dataset TEXT NOT NULL,
    verdict TEXT,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    checked_at TIMESTAMP WITH TIME ZONE,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (publication, portal)
)
""",
    """
CREATE TABLE notify.inbox (
    event TEXT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (event)
)
""",
    """
CREATE TABLE notify.news (
    news TEXT NOT NULL,
    dataset TEXT NOT NULL,
    publication TEXT NOT NULL,
    kind TEXT NOT NULL,
    body JSONB NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (news)
)
""",
    """
CREATE TABLE notify.outbox (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    headers JSONB NOT NULL,
    value BYTEA,
    written_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id)
)
""",
)


def upgrade() -> None:
    """Creates the tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """The tables go with their schema."""
    op.execute("drop schema notify cascade")
