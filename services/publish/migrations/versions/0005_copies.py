"""What strangers find on the other portals, for the public page; the date of a release's data."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column and the view: of what is public now, what the latest verification found."""
    op.execute("alter table publish.publications add updated_at TIMESTAMP WITH TIME ZONE")
    op.execute(
        """
create view portal.copies as
select a.dataset, a.portal, a.state, a.files, a.verified_at, a.arrived_at,
       jsonb_array_length(a.differences) as differences
from publish.arrivals a
join publish.datasets d on d.publication = a.publication and d.release = a.release
where a.state <> 'withdrawn'
"""
    )


def downgrade() -> None:
    """Drops them."""
    op.execute("drop view portal.copies")
    op.execute("alter table publish.publications drop updated_at")
