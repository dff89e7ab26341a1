"""What the admin API shows: the inventory, a dataset, a change, what waits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from shared.messages import Reason


async def inventory(connection: AsyncConnection) -> list[dict[str, Any]]:
    """Every dataset, declared or only heard of, with where its latest change stands."""
    c, d, ch = t.cards, t.datasets, t.changes
    latest = (
        select(ch)
        .where(ch.c.dataset.is_not(None))
        .ext(distinct_on(ch.c.dataset))
        .order_by(
            ch.c.dataset, ch.c.generation.desc().nulls_last(), ch.c.number.desc().nulls_last()
        )
        .subquery()
    )
    names = select(c.c.dataset).union(select(latest.c.dataset)).subquery()
    rows = await connection.execute(
        select(
            names.c.dataset,
            c.c.domain,
            c.c.body["title"]["fr"].astext.label("title"),
            c.c.revision,
            c.c.paused,
            d.c.release,
            d.c.published_at,
            d.c.modified_at,
            d.c.confirmed_at,
            d.c.withdrawn_at,
            latest.c.change,
            latest.c.stage,
            latest.c.state,
            latest.c.end,
            latest.c.reasons,
        )
        .select_from(names)
        .outerjoin(c, c.c.dataset == names.c.dataset)
        .outerjoin(d, d.c.dataset == names.c.dataset)
        .outerjoin(latest, latest.c.dataset == names.c.dataset)
        .order_by(names.c.dataset)
    )
    return [plain(row._mapping) | {"declared": row.revision is not None} for row in rows]


async def change(connection: AsyncConnection, change_id: str) -> dict[str, Any] | None:
    """A change, what every stage did with it, and what it led to; None if nothing is known."""
    row = (
        await connection.execute(select(t.changes).where(t.changes.c.change == change_id))
    ).one_or_none()
    if row is None:
        return None
    bodies = await connection.scalars(
        select(t.ledger.c.body).where(t.ledger.c.change == change_id).order_by(t.ledger.c.at)
    )
    steps = [
        {
            name: body[name]
            for name in ("stage", "state", "end", "at", "seconds", "rows")
            if name in body
        }
        | {"reasons": texts(body.get("reasons", []))}
        for body in bodies
    ]
    made = await connection.execute(
        select(t.publications)
        .where(t.publications.c.change == change_id)
        .order_by(t.publications.c.made_at)
    )
    return plain(row._mapping) | {
        "steps": steps,
        "publications": [_publication(one._mapping) for one in made],
    }


async def publications(
    connection: AsyncConnection, dataset: str | None, state: str | None
) -> list[dict[str, Any]]:
    """Publications, newest first."""
    p = t.publications.c
    chosen = select(t.publications).order_by(p.made_at.desc()).limit(500)
    if dataset:
        chosen = chosen.where(p.dataset == dataset)
    if state:
        chosen = chosen.where(p.state == state)
    return [_publication(row._mapping) for row in await connection.execute(chosen)]


async def standings(connection: AsyncConnection, asked: list[str]) -> list[dict[str, Any]]:
    """Where these changes stand; those unknown are left out."""
    rows = await connection.execute(select(t.changes).where(t.changes.c.change.in_(asked)))
    return [plain(row._mapping) for row in rows]


async def dataset_changes(connection: AsyncConnection, dataset: str) -> list[dict[str, Any]]:
    """A dataset's changes, newest first."""
    ch = t.changes.c
    rows = await connection.execute(
        select(t.changes).where(ch.dataset == dataset).order_by(ch.first_at.desc()).limit(100)
    )
    return [plain(row._mapping) for row in rows]


async def audit_of(connection: AsyncConnection) -> list[dict[str, Any]]:
    """Who did what, newest first."""
    rows = await connection.execute(select(t.audit).order_by(t.audit.c.id.desc()).limit(500))
    return [plain(row._mapping) for row in rows]


def texts(reasons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reasons with their texts in both languages."""
    said = []
    for facts in reasons:
        reason = Reason.model_validate(facts)
        said.append({**facts, "fr": str(reason.text("fr")), "en": str(reason.text("en"))})
    return said


def _publication(row: Any) -> dict[str, Any]:
    shown = (
        "publication", "dataset", "change", "release", "kind", "rows", "state", "evidence",
        "occurred_at", "made_at", "published_at",
    )  # fmt: skip
    return plain({name: row[name] for name in shown}) | {
        "files": [
            {name: file[name] for name in ("name", "format", "bytes", "sha256", "role")}
            for file in row["files"]
        ]
    }


def plain(row: Any) -> dict[str, Any]:
    """JSON-compatible, reasons with their texts."""
    told: dict[str, Any] = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
    }
    if told.get("reasons") is not None:
        told["reasons"] = texts(told["reasons"])
    return told
