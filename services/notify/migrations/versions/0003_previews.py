"""What a portal's own dry run said of a dataset, before it harvests it."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns and what finds the next one."""
    op.execute(
        """
ALTER TABLE notify.harvest_checks
    ADD COLUMN preview JSONB,
    ADD COLUMN previewed_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN preview_next TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()
"""
    )
    op.execute(
        "CREATE INDEX harvest_checks_preview ON notify.harvest_checks (preview_next)"
        " WHERE settled_at IS NULL"
    )


def downgrade() -> None:
    """The columns go."""
    op.execute(
        "alter table notify.harvest_checks drop column preview, drop column previewed_at,"
        " drop column preview_next"
    )
