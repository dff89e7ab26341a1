"""Tables of the other portals (schema `publish`): who has which id, what is where, what was proven,
what is still served of what was withdrawn.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from services.publish.tables import metadata, moment

# The identity map: our dataset and distribution URIs ↔ each portal's ids. Rows are never deleted.
portal_ids = Table(
    "portal_ids",
    metadata,
    Column("portal", Text, primary_key=True),
    Column("ours", Text, primary_key=True),
    Column("dataset", Text, nullable=False),
    Column("theirs", Text, nullable=False),
    Index("portal_ids_dataset", "dataset", "portal"),
)

# One row a dataset and portal: the lease of whoever works on it, and how we left it there.
portal_copies = Table(
    "portal_copies",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("portal", Text, primary_key=True),
    Column("publication", Text),
    Column("release", Text),
    Column("generation", BigInteger),
    Column("number", BigInteger),
    Column("left_there", JSONB),
    Column("edits", JSONB, nullable=False, server_default="[]"),
    Column("warnings", JSONB, nullable=False, server_default="[]"),
    Column("leased_by", Text),
    moment("lease_until"),
    moment("next_look"),
    moment("looked_at"),
)

# One row a publication and portal: pending, arrived, late, failed, withdrawn; and the proof.
arrivals = Table(
    "arrivals",
    metadata,
    Column("publication", Text, primary_key=True),
    Column("portal", Text, primary_key=True),
    Column("dataset", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("reasons", JSONB, nullable=False, server_default="[]"),
    Column("files", JSONB, nullable=False, server_default="[]"),
    Column("differences", JSONB, nullable=False, server_default="[]"),
    Column("due", DateTime(timezone=True), nullable=False),
    moment("made_at", now=True),
    moment("verified_at"),
    moment("arrived_at"),
    Index("arrivals_dataset", "dataset", "portal"),
    Index("arrivals_state", "state", "due"),
)

# What a portal served of a withdrawn publication at addresses of its own: `stands`, `gone`, `rebuilt`
# (from the release that took its place), or `settled` by a person.
withdrawn_copies = Table(
    "withdrawn_copies",
    metadata,
    Column("publication", Text, primary_key=True),
    Column("portal", Text, primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("dataset", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="stands"),
    # Whether a stranger got it before the withdrawal was asked for.
    Column("answered", Boolean, nullable=False),
    Column("http", Integer),
    moment("listed_at", now=True),
    moment("looked_at"),
    Column("settled_by", Text),
    moment("settled_at"),
    Index("withdrawn_copies_dataset", "dataset", "portal"),
)

# One row a portal: the circuit breaker that all workers share.
portal_circuits = Table(
    "portal_circuits",
    metadata,
    Column("portal", Text, primary_key=True),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("code", Text),
    moment("open_until"),
)
