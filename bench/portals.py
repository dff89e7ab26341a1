"""Part four: many datasets brought to a slow portal. Is it the portal that one waits for?"""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
from pydantic import SecretStr
from sqlalchemy import func, select

from bench.ckan_stand_in import CONTENT
from deploy.local.child import LocalStackError, free_port
from deploy.local.postgres import LocalPostgres
from services.publish import app, verify_files
from services.publish import tables as t
from services.publish.portals.promises import back_fill
from services.publish.portals.registry import open_portals
from services.publish.portals.worker import PortalWorker
from shared import logs
from shared.card import Card
from shared.card_file import check_card
from shared.database import Database, open_engine
from shared.migrate import upgrade
from shared.portal_settings import PortalAccess
from shared.settings import Settings
from shared.storage import open_store
from shared.strategy import Strategy

DATASETS, QUICK_DATASETS = 1_000, 20
LATENCY = 0.05
AT_ONCE = 4
FORMATS = ("pdf", "odt", "txt0")  # of no reader: what is measured is the way, not the reading
PORTAL = "agglo"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def measure(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Back-fills a stand-in of a CKAN; how much of the allowed concurrency was used."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    stand_in = subprocess.Popen(
        [sys.executable, "-m", "bench.ckan_stand_in", str(port), str(LATENCY)]
    )
    try:
        with LocalPostgres(folder / "postgres") as server:
            server.drop_database("portals")
            server.create_database("portals")
            url = server.url("portals")
            upgrade(url, app.MIGRATIONS, app.SCHEMA)
            settings = _settings(folder, url, f"http://127.0.0.1:{port}")
            number = QUICK_DATASETS if quick else DATASETS
            return asyncio.run(_measure(settings, number))
    finally:
        stand_in.kill()
        stand_in.wait()


def _settings(folder: Path, url: str, address: str) -> Settings:
    portal = PortalAccess(
        kind="ckan",
        url=address,
        organization="ville",
        token="key",  # noqa: S106 - its name
        at_once=AT_ONCE,
    )
    return Settings(
        database=SecretStr(url),
        public_url=address,
        store=str(folder / "store"),
        portals={PORTAL: portal},
        portal_tokens={"key": SecretStr("of the stand-in")},
    )


async def _measure(settings: Settings, number: int) -> dict[str, Any]:
    logs.configure("publish")
    portal = settings.portals[PORTAL]
    database = Database(open_engine(settings), t.BOXES, settings, "publish")
    connectors = open_portals(settings, open_store(settings, "publish").checked)
    http = verify_files.stranger()
    await _answers(http, settings.public_url)
    await _declare(database, number)
    worker = PortalWorker(database, PORTAL, portal, connectors[PORTAL], settings, http, 0.05)
    me = psutil.Process(os.getpid())
    memory: list[int] = []
    async with database.transaction() as connection:
        await back_fill(connection, settings.portals, PORTAL, None)
    started, cpu = time.monotonic(), time.process_time()
    task = asyncio.create_task(worker.run())
    while await _left(database):
        memory.append(me.memory_info().rss)
        await asyncio.sleep(1)
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    stats = (await http.get(f"{settings.public_url}/stats")).json()
    await connectors[PORTAL].close()
    await http.aclose()
    await database.engine.dispose()
    if stats["kept"] != number:
        raise LocalStackError(f"{stats['kept']} of {number} datasets arrived")
    early = memory[len(memory) // 10]
    return {
        "datasets": number,
        "seconds": seconds,
        "cpu": cpu,
        "calls": stats["calls"],
        "most": stats["most"],
        "allowed": AT_ONCE,
        "used": stats["busy"] / (seconds * AT_ONCE),
        "memory": [early, memory[-1]],
    }


async def _answers(http: httpx.AsyncClient, address: str) -> None:
    for _ in range(200):
        try:
            await http.get(f"{address}/stats")
        except httpx.TransportError:
            await asyncio.sleep(0.1)
        else:
            return
    raise LocalStackError("the stand-in does not answer")


async def _left(database: Database) -> int:
    async with database.transaction() as connection:
        chosen = select(func.count()).where(t.deliveries.c.state.in_(("pending", "unknown")))
        return int(await connection.scalar(chosen) or 0)


def _card(dataset: str) -> Card:
    told = {
        "dataset": dataset,
        "domain": "voirie",
        "title": f"Mobilier {dataset}",
        "description": "Un jeu de données de mesure.",
        "subject": "none",
        "portals": ["own", PORTAL],
        "privacy": {"columns": {"id": "keep", "places": "keep"}},
    }
    return check_card(told, Strategy())


async def _declare(database: Database, number: int) -> None:
    """Datasets that are public on the own portal, as the passage leaves them."""
    for count in range(number):
        name = f"mobilier-{count:05d}"
        card = _card(name)
        release, publication = f"r{count:031x}", f"p{count:031x}"
        files = [
            {"role": "data", "bucket": "public", "key": "x", "name": f"{name}.{form}",
             "format": form, "media_type": "application/octet-stream", "bytes": len(CONTENT),
             "sha256": SHA256, "rows": 2}
            for form in FORMATS
        ]  # fmt: skip
        shared = {"dataset": name, "revision": 1, "generation": 0, "number": count}
        async with database.transaction() as connection:
            await connection.execute(
                t.cards.insert().values(
                    dataset=name, domain="voirie", revision=1, digest=card.digest(),
                    shaping=card.shaping_digest(), body=card.body(), declared_by="bench",
                )
            )  # fmt: skip
            await connection.execute(
                t.publications.insert().values(
                    **shared, publication=publication, change=f"c{count:031x}",
                    run=f"c{count:031x}", release=release, kind="update", shaping="", policy="",
                    columns="", rows=2, files=files, state="published", occurred_at=func.now(),
                )
            )  # fmt: skip
            await connection.execute(
                t.datasets.insert().values(**shared, publication=publication, release=release)
            )
