"""The first tables of publish, and the views that are all the portal sees."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """
CREATE TABLE publish.audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT,
    PRIMARY KEY (id)
)
""",
    """
CREATE TABLE publish.cards (
    dataset TEXT NOT NULL,
    domain TEXT NOT NULL,
    revision INTEGER NOT NULL,
    digest TEXT NOT NULL,
    shaping TEXT NOT NULL,
    body JSONB NOT NULL,
    paused BOOLEAN DEFAULT 'false' NOT NULL,
    declared_by TEXT NOT NULL,
    declared_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (dataset)
)
""",
    """
CREATE TABLE publish.changes (
    change TEXT NOT NULL,
    dataset TEXT,
    kind TEXT,
    generation BIGINT,
    number BIGINT,
    release TEXT,
    stage TEXT NOT NULL,
    state TEXT NOT NULL,
    "end" TEXT,
    reasons JSONB DEFAULT '[]' NOT NULL,
    waits INTEGER DEFAULT '0' NOT NULL,
    first_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (change)
)
""",
    """
CREATE INDEX changes_dataset ON publish.changes (dataset, generation, number)
""",
    """
CREATE TABLE publish.datasets (
    dataset TEXT NOT NULL,
    publication TEXT,
    release TEXT,
    generation BIGINT,
    number BIGINT,
    revision INTEGER,
    first_published_at TIMESTAMP WITH TIME ZONE,
    published_at TIMESTAMP WITH TIME ZONE,
    modified_at TIMESTAMP WITH TIME ZONE,
    confirmed_at TIMESTAMP WITH TIME ZONE,
    withdrawn_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (dataset)
)
""",
    """
CREATE TABLE publish.decisions (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    dataset TEXT NOT NULL,
    publication TEXT,
    release TEXT NOT NULL,
    verdict TEXT NOT NULL,
    automatic BOOLEAN NOT NULL,
    by TEXT NOT NULL,
    reason TEXT,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id)
)
""",
    """
CREATE TABLE publish.deliveries (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    publication TEXT NOT NULL,
    dataset TEXT NOT NULL,
    portal TEXT NOT NULL,
    act TEXT NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    code TEXT,
    next_try TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    lease_until TIMESTAMP WITH TIME ZONE,
    done_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    UNIQUE (publication, portal, act)
)
""",
    """
CREATE INDEX deliveries_due ON publish.deliveries (state, next_try)
""",
    """
CREATE TABLE publish.files (
    dataset TEXT NOT NULL,
    release TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    format TEXT NOT NULL,
    media_type TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    key TEXT NOT NULL,
    rows BIGINT,
    modified_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (dataset, release, name)
)
""",
    """
CREATE TABLE publish.inbox (
    event TEXT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (event)
)
""",
    """
CREATE TABLE publish.ledger (
    event TEXT NOT NULL,
    change TEXT,
    dataset TEXT,
    body JSONB NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (event)
)
""",
    """
CREATE INDEX ledger_change ON publish.ledger (change)
""",
    """
CREATE TABLE publish.news (
    news TEXT NOT NULL,
    dataset TEXT NOT NULL,
    kind TEXT NOT NULL,
    title JSONB NOT NULL,
    body JSONB NOT NULL,
    at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (news)
)
""",
    """
CREATE TABLE publish.outbox (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    headers JSONB NOT NULL,
    value BYTEA,
    written_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id)
)
""",
    """
CREATE TABLE publish.publications (
    publication TEXT NOT NULL,
    dataset TEXT NOT NULL,
    change TEXT NOT NULL,
    run TEXT NOT NULL,
    release TEXT NOT NULL,
    generation BIGINT NOT NULL,
    number BIGINT NOT NULL,
    revision INTEGER NOT NULL,
    kind TEXT NOT NULL,
    shaping TEXT NOT NULL,
    policy TEXT NOT NULL,
    columns TEXT NOT NULL,
    rows BIGINT NOT NULL,
    files JSONB NOT NULL,
    state TEXT NOT NULL,
    evidence JSONB DEFAULT '{}' NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE,
    made_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    published_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (publication)
)
""",
    """
CREATE INDEX publications_dataset ON publish.publications (dataset, state)
""",
    """
CREATE INDEX publications_release ON publish.publications (release)
""",
    """
CREATE TABLE publish.ticks (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    due TIMESTAMP WITH TIME ZONE NOT NULL,
    sent_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (kind, subject, due)
)
""",
    """
CREATE TABLE publish.withdrawn (
    release TEXT NOT NULL,
    dataset TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (release)
)
""",
    """
create schema portal
""",
    """
create view portal.datasets as
select c.dataset, c.domain, c.revision,
       jsonb_strip_nulls(jsonb_build_object(
           'dataset', c.body->'dataset', 'domain', c.body->'domain', 'title', c.body->'title',
           'description', c.body->'description', 'keywords', c.body->'keywords',
           'theme', c.body->'theme', 'legal_notes', c.body->'legal_notes',
           'licence', c.body->'licence', 'attribution', c.body->'attribution',
           'spatial', c.body->'spatial', 'temporal', c.body->'temporal',
           'frequency', c.body->'frequency', 'contact', c.body->'contact',
           'producer', c.body->'producer', 'derived_from', c.body->'derived_from',
           'columns', c.body->'columns', 'hvd', c.body->'hvd')) as card,
       case when d.release is null then 'withdrawn' else 'published' end as state,
       d.release, d.publication, d.first_published_at, d.published_at, d.modified_at,
       d.confirmed_at, d.withdrawn_at, p.kind, p.rows
from publish.datasets d
join publish.cards c using (dataset)
left join publish.publications p on p.publication = d.publication
where d.first_published_at is not null
""",
    """
create view portal.files as
select f.dataset, f.release, f.role, f.name, f.format, f.media_type, f.bytes, f.sha256, f.key,
       f.rows, f.modified_at, (d.release is not distinct from f.release) as current
from publish.files f
left join publish.datasets d using (dataset)
where not exists (select 1 from publish.withdrawn w where w.release = f.release)
""",
    """
create view portal.news as
select n.news, n.dataset, n.kind, n.title, n.body, n.at from publish.news n
""",
)


def upgrade() -> None:
    """Creates tables and views."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drops the views; the tables go with their schema."""
    op.execute("drop schema portal cascade")
