"""The clients that docs/sending.md shows, and the endpoint that they are tried against."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from threading import Thread
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from services.ingest.http_api import ChangesApi
from shared.events import DatasetChanged
from shared.identity import Identities, token_digest
from shared.settings import Settings
from shared.storage import Store, open_store

PAGE = (Path(__file__).parents[3] / "docs" / "sending.md").read_text(encoding="utf-8")
DATA = b"id;places\nB1;3\n"
TOKEN = "sig-token"
KEY = "arbres-2026-03-01"


def examples(language: str, holding: str) -> list[str]:
    """The page's blocks of a language that hold a text."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [block for block in found if holding in block]


class Desk:
    """The endpoint on a port of loopback, with what it sent, and where a change is followed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "client"
        self.folder.mkdir()
        for name in ("arbres.csv", "arbres.geojson"):
            (self.folder / name).write_bytes(DATA)
        (self.folder / "token").write_text(TOKEN + "\n", encoding="utf-8")
        self.sent: list[tuple[DatasetChanged, str]] = []
        sender = {
            "name": "sig",
            "token_sha256": token_digest(TOKEN),
            "roles": ["sender"],
            "domains": ["espaces-verts"],
        }
        identities = Identities.model_validate({"identities": [sender]})
        config = uvicorn.Config(Starlette(), port=0, log_level="warning", lifespan="off")
        socket = config.bind_socket()
        # Who comes before the server has begun waits for it instead of being refused.
        socket.listen()
        self.address = f"http://127.0.0.1:{socket.getsockname()[1]}"
        settings = Settings.model_validate(
            {"store": str(folder / "store"), "spool": folder, "admin_url": self.address}
        )
        self.store: Store = open_store(settings, "ingest")
        api = ChangesApi(settings, identities, self.store, cast(Any, {}), self._send)
        follow = Route("/changes/{change}", self._follow)
        config.app = Starlette(routes=[*api.routes(), follow])
        self.server = uvicorn.Server(config)
        self.thread = Thread(target=self.server.run, args=([socket],), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join()

    async def _send(self, change: DatasetChanged, event_id: str, source: str) -> None:
        self.sent.append((change, event_id))

    async def _follow(self, request: Request) -> JSONResponse:
        return JSONResponse({"end": "published", "state": "done", "reasons": []})

    def run(self, *command: str) -> str:
        """What a client's program prints, which must end well."""
        env = {**os.environ, "TOKEN": TOKEN}
        done = subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def here(self, example: str) -> str:
        return example.replace("https://ecluse.example", self.address)

    async def dropped(self) -> bytes | None:
        """The file that the one change sent points at."""
        [(change, event_id)] = self.sent
        assert (change.dataset, event_id) == ("arbres", KEY)
        assert change.address is not None
        return await self.store.get("drop", change.address.removeprefix("drop:///"))
