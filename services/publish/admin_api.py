"""The admin API: the desk and the command line act through it, with an identity.

GET  /changes/{change}                what became of a change
GET  /datasets                        the inventory
GET  /datasets/{dataset}              one dataset: its changes and publications
GET  /publications?state=waiting      what waits for a person
GET  /audit                           who did what
POST /datasets                        declare a card
POST /datasets/{dataset}/signature    put its policy in force
POST /releases/{release}/decision     approve, refuse, withdraw
POST /pause, /resume, /replay         operations
GET  /datasets/{dataset}/verify       what a stranger finds on a portal now (`?portal=`)
POST /datasets/{dataset}/copies       answer for what a portal still serves of a withdrawn release
GET  /breaches                        sheets for the data protection officer
POST /backfill                        bring all that is promised to a portal there
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from services.publish import views
from services.publish.acts import Acts, Refused
from services.publish.portals.check_ways import check_ways
from services.publish.portals.checker import Checker, NotThere
from services.publish.portals.standing import copies_of, portals_of
from services.publish.records import card_row
from services.publish.withdrawals import breach_sheets
from shared.card_file import BadCard, check_card
from shared.card_parts import Signature
from shared.database import Database
from shared.failures import OursAway, SourceAway
from shared.identity import Identities, Identity
from shared.messages import Reason
from shared.settings import Settings
from shared.strategy import Strategy

MOST_BYTES = 1024 * 1024
Answer = Callable[[Request, Identity], Awaitable[Any]]


class AdminApi:
    """The routes. Every answer is JSON; every refusal says why and what to do."""

    def __init__(
        self,
        database: Database,
        acts: Acts,
        identities: Identities,
        strategy: Strategy,
        settings: Settings,
        checker: Checker,
    ) -> None:
        self._database, self._acts = database, acts
        self._identities, self._strategy = identities, strategy
        self._settings, self._checker = settings, checker

    def routes(self) -> list[Route]:
        told: list[tuple[str, str, Answer]] = [
            ("GET", "/changes/{change}", self._change),
            ("GET", "/changes", self._changes),
            ("GET", "/datasets", self._inventory),
            ("GET", "/datasets/{dataset}", self._dataset),
            ("GET", "/publications", self._publications),
            ("GET", "/audit", self._audit),
            ("GET", "/me", self._me),
            ("POST", "/datasets", self._declare),
            ("POST", "/datasets/{dataset}/signature", self._sign),
            ("POST", "/releases/{release}/decision", self._decide),
            ("POST", "/pause", self._pause),
            ("POST", "/resume", self._resume),
            ("POST", "/replay", self._replay),
            ("GET", "/datasets/{dataset}/verify", self._verify),
            ("POST", "/datasets/{dataset}/copies", self._settle_copies),
            ("GET", "/breaches", self._breaches),
            ("POST", "/backfill", self._backfill),
        ]
        return [Route(path, self._guarded(work), methods=[m]) for m, path, work in told]

    def _guarded(self, work: Answer) -> Callable[[Request], Awaitable[JSONResponse]]:
        async def answer(request: Request) -> JSONResponse:
            who = self._identities.of(request.headers.get("authorization"))
            if who is None:
                return _refusal(401, Reason(code="token_unknown"))
            if not who.may("read"):
                return _refusal(403, Reason(code="not_allowed"))
            try:
                return JSONResponse(await work(request, who))
            except Refused as refused:
                return _refusal(refused.status, *refused.reasons)
            except OursAway as failure:
                return _refusal(503, *failure.reasons)

        return answer

    async def _change(self, request: Request, _who: Identity) -> Any:
        async with self._database.transaction() as connection:
            found = await views.change(connection, request.path_params["change"])
        if found is None:
            raise Refused(404, Reason(code="change_unknown"))
        return found

    async def _changes(self, request: Request, _who: Identity) -> Any:
        asked = request.query_params.getlist("id")[:500]
        async with self._database.transaction() as connection:
            return {"changes": await views.standings(connection, asked)}

    async def _inventory(self, _request: Request, _who: Identity) -> Any:
        async with self._database.transaction() as connection:
            return {
                "datasets": await views.inventory(connection),
                "portals": await portals_of(connection, self._settings.portals),
            }

    async def _dataset(self, request: Request, _who: Identity) -> Any:
        dataset = request.path_params["dataset"]
        async with self._database.transaction() as connection:
            card = await card_row(connection, dataset)
            changes = await views.dataset_changes(connection, dataset)
            if card is None and not changes:
                raise Refused(404, Reason(code="dataset_unknown"))
            return {
                "dataset": dataset,
                "card": card.body if card else None,
                "revision": card.revision if card else None,
                "paused": card.paused if card else False,
                "changes": changes,
                "publications": await views.publications(connection, dataset, None),
                "portals": await copies_of(connection, dataset),
            }

    async def _publications(self, request: Request, _who: Identity) -> Any:
        asked = request.query_params
        async with self._database.transaction() as connection:
            return {
                "publications": await views.publications(
                    connection, asked.get("dataset"), asked.get("state")
                )
            }

    async def _audit(self, _request: Request, _who: Identity) -> Any:
        async with self._database.transaction() as connection:
            return {"audit": await views.audit_of(connection)}

    async def _me(self, _request: Request, who: Identity) -> Any:
        return {"name": who.name, "roles": list(who.roles), "domains": list(who.domains)}

    async def _declare(self, request: Request, who: Identity) -> Any:
        try:
            card = check_card(await _body(request), self._strategy)
            check_ways(card, self._settings)
        except BadCard as bad:
            raise Refused(
                422,
                *(
                    Reason(code="card_wrong", column=problem.field, detail=problem.message)
                    for problem in bad.problems
                ),
            ) from None
        return await self._acts.declare(who, card)

    async def _sign(self, request: Request, who: Identity) -> Any:
        try:
            signature = Signature.model_validate(await _body(request))
        except ValidationError:
            raise _unreadable("signature") from None
        return await self._acts.sign(who, request.path_params["dataset"], signature)

    async def _decide(self, request: Request, who: Identity) -> Any:
        body = await _body(request)
        release, verdict = request.path_params["release"], body.get("verdict")
        reason = body.get("reason")
        if reason is not None and not isinstance(reason, str):
            raise _unreadable("reason")
        if verdict == "withdrawn":
            motive = "personal_data" if body.get("motive") == "personal_data" else None
            return await self._acts.withdraw(
                who, release, reason, motive=motive, put_back=body.get("put_back") is True
            )
        if verdict in ("approved", "refused"):
            return await self._acts.decide(who, release, str(verdict), reason)
        raise _unreadable("verdict: approved, refused, withdrawn")

    async def _pause(self, request: Request, who: Identity) -> Any:
        return await self._acts.pause(who, _text(await _body(request), "scope"), paused=True)

    async def _resume(self, request: Request, who: Identity) -> Any:
        return await self._acts.pause(who, _text(await _body(request), "scope"), paused=False)

    async def _replay(self, request: Request, who: Identity) -> Any:
        body = await _body(request)
        fetch = "again" if body.get("fetch") == "again" else "kept"
        return await self._acts.replay(who, _text(body, "dataset"), fetch)

    async def _verify(self, request: Request, _who: Identity) -> Any:
        portal = request.query_params.get("portal") or "own"
        try:
            return await self._checker.check(request.path_params["dataset"], portal)
        except NotThere as failure:
            raise Refused(404, *failure.reasons) from None
        except SourceAway as failure:
            raise Refused(502, *failure.reasons) from None

    async def _settle_copies(self, request: Request, who: Identity) -> Any:
        body = await _body(request)
        told = {name: body.get(name) for name in ("reason", "kind")}
        for name, value in told.items():
            if value is not None and not isinstance(value, str):
                raise _unreadable(name)
        return await self._acts.settle_copies(
            who, request.path_params["dataset"], _text(body, "portal"), told["reason"], told["kind"]
        )

    async def _breaches(self, request: Request, _who: Identity) -> Any:
        async with self._database.transaction() as connection:
            asked = request.query_params.get("dataset")
            found = await breach_sheets(connection, self._settings.public_url, asked)
            return {"breaches": found}

    async def _backfill(self, request: Request, who: Identity) -> Any:
        body = await _body(request)
        dataset = body.get("dataset")
        if dataset is not None and not isinstance(dataset, str):
            raise _unreadable("dataset")
        return await self._acts.back_fill(who, _text(body, "portal"), dataset)


async def _body(request: Request) -> dict[str, Any]:
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MOST_BYTES:
            raise Refused(413, Reason(code="message_too_large", limit=MOST_BYTES))
    try:
        body = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        raise _unreadable("not JSON") from None
    if not isinstance(body, dict):
        raise _unreadable("not a JSON object")
    return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise _unreadable(name)
    return value


def _unreadable(detail: str) -> Refused:
    return Refused(400, Reason(code="request_invalid", detail=detail))


def _refusal(status: int, *reasons: Reason) -> JSONResponse:
    said = views.texts([reason.model_dump(exclude_none=True) for reason in reasons])
    return JSONResponse({"refused": said}, status)
