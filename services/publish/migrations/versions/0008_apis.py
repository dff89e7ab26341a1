"""The portal sees the APIs that cards declare: the feed says them as data services."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

VIEW = """
create or replace view portal.datasets as
select c.dataset, c.domain, c.revision,
       jsonb_strip_nulls(jsonb_build_object(
           'dataset', c.body->'dataset', 'domain', c.body->'domain', 'title', c.body->'title',
           'description', c.body->'description', 'keywords', c.body->'keywords',
           'theme', c.body->'theme', 'legal_notes', c.body->'legal_notes',
           'licence', c.body->'licence', 'attribution', c.body->'attribution',
           'spatial', c.body->'spatial', 'temporal', c.body->'temporal',
           'frequency', c.body->'frequency', 'contact', c.body->'contact',
           'producer', c.body->'producer', 'derived_from', c.body->'derived_from',
           'columns', c.body->'columns', 'hvd', c.body->'hvd'{more})) as card,
       case when d.release is null then 'withdrawn' else 'published' end as state,
       d.release, d.publication, d.first_published_at, d.published_at, d.modified_at,
       d.confirmed_at, d.withdrawn_at, p.kind, p.rows
from publish.datasets d
join publish.cards c using (dataset)
left join publish.publications p on p.publication = d.publication
where d.first_published_at is not null
"""


def upgrade() -> None:
    """Two more fields of the card."""
    op.execute(VIEW.format(more=", 'exposure', c.body->'exposure', 'api', c.body->'api'"))


def downgrade() -> None:
    """As before."""
    op.execute(VIEW.format(more=""))
