"""What notify shows of the harvest checks: public facts, for the command line and for programs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.notify import tables as t
from services.notify.harvest_checks import latest_checks
from shared.database import Database
from shared.failures import OursAway
from shared.messages import Reason

MOST = 100


class HarvestPages:
    """`GET /harvest`: each dataset's latest check; `GET /harvest/<dataset>`: one's, with history."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def routes(self) -> list[Route]:
        return [Route("/harvest", self._all), Route("/harvest/{dataset}", self._one)]

    async def _all(self, _request: Request) -> Response:
        try:
            async with self._database.transaction() as connection:
                rows = (await connection.execute(latest_checks())).all()
        except OursAway:
            return _away()
        return JSONResponse({"harvest": [_check(row._asdict()) for row in rows]})

    async def _one(self, request: Request) -> Response:
        c, h = t.harvest_checks.c, t.harvest_history.c
        try:
            async with self._database.transaction() as connection:
                rows = (
                    await connection.execute(
                        select(t.harvest_checks)
                        .where(c.dataset == request.path_params["dataset"])
                        .order_by(c.published_at.desc(), c.portal)
                        .limit(MOST)
                    )
                ).all()
                past = (
                    await connection.execute(
                        select(t.harvest_history)
                        .where(h.publication.in_({row.publication for row in rows}))
                        .order_by(h.id)
                    )
                ).all()
        except OursAway:
            return _away()
        checks = []
        for row in rows:
            mine = [one for one in past if one[1:3] == row[:2]]
            history = [_finding(one._asdict()) | {"at": one.at.isoformat()} for one in mine]
            checks.append(_check(row._asdict()) | {"history": history})
        return JSONResponse({"harvest": checks})


def _check(row: dict[str, Any]) -> dict[str, Any]:
    """A check: its names, moments (ISO 8601), verdict and why."""
    moments = ("published_at", "due_at", "next_at", "checked_at", "settled_at")
    plain = {name: row[name] for name in ("dataset", "publication", "portal", "remote")}
    plain |= {name: row[name] and row[name].isoformat() for name in moments}
    plain["previewed_at"] = row["previewed_at"] and row["previewed_at"].isoformat()
    return (
        plain
        | _finding(row)
        | {"away": _texts(row["away"] or []), "preview": _texts(row["preview"] or [])}
    )


def _finding(row: dict[str, Any]) -> dict[str, Any]:
    return {"verdict": row["verdict"], "reasons": _texts(row["reasons"])}


def _texts(reasons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for facts in reasons:
        reason = Reason.model_validate(facts)
        found.append(facts | {"fr": str(reason.text("fr")), "en": str(reason.text("en"))})
    return found


def _away() -> Response:
    reason = Reason(code="database_away")
    return JSONResponse({"refused": _texts([reason.model_dump(exclude_none=True)])}, 503)
