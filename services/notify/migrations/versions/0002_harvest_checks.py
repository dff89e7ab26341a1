"""Harvest checks are looked at on a rhythm, and keep what was found."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
ALTER TABLE notify.harvest_checks
    ADD COLUMN published_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN next_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    ADD COLUMN lease_until TIMESTAMP WITH TIME ZONE,
    ADD COLUMN reasons JSONB NOT NULL DEFAULT '[]',
    ADD COLUMN away JSONB,
    ADD COLUMN remote TEXT,
    ADD COLUMN settled_at TIMESTAMP WITH TIME ZONE
""",
    # Until now a check was due 26 hours after its release.
    "UPDATE notify.harvest_checks SET published_at = due_at - interval '26 hours'",
    "ALTER TABLE notify.harvest_checks ALTER COLUMN published_at SET NOT NULL",
    "ALTER TABLE notify.harvest_checks ALTER COLUMN next_at DROP DEFAULT",
    # Earlier releases of a dataset cannot be taken any more.
    """
UPDATE notify.harvest_checks AS old SET settled_at = now()
WHERE EXISTS (SELECT 1 FROM notify.harvest_checks AS late
              WHERE late.dataset = old.dataset AND late.portal = old.portal
              AND late.published_at > old.published_at)
""",
    """
CREATE INDEX harvest_checks_next ON notify.harvest_checks (next_at) WHERE settled_at IS NULL
""",
    "CREATE INDEX harvest_checks_dataset ON notify.harvest_checks (dataset, portal, published_at)",
    """
CREATE TABLE notify.harvest_history (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    publication TEXT NOT NULL,
    portal TEXT NOT NULL,
    verdict TEXT,
    reasons JSONB NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id)
)
""",
    "CREATE INDEX harvest_history_check ON notify.harvest_history (publication, portal)",
)


def upgrade() -> None:
    """Adds the columns and the history."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """The columns and the history go; the checks stay."""
    op.execute("drop table notify.harvest_history")
    op.execute(
        "alter table notify.harvest_checks drop column published_at, drop column next_at,"
        " drop column lease_until, drop column reasons, drop column away,"
        " drop column remote, drop column settled_at"
    )
