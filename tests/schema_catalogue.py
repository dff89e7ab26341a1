"""A catalogue of schemas with one in it, as schema.data.gouv.fr publishes its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

NAME = "etalab/schema-bancs"
SCHEMA = {
    "name": "bancs",
    "version": "9.9.9",
    "fields": [{"name": "id"}, {"name": "places", "type": "year"}],
}


class Catalogue(ThreadingHTTPServer):
    """A catalogue with one schema; `asked` is what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.schema: object = SCHEMA
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str) -> object:
        if path == "/schemas.json":
            version = {"version_name": "1.2.0", "schema_url": f"{self.address}/bancs.json"}
            return {
                "schemas": [
                    {"name": "etalab/other", "schema_type": "jsonschema", "versions": [version]},
                    {"name": NAME, "schema_type": "tableschema", "versions": [version]},
                ]
            }
        return self.schema


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Catalogue)
        self.server.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.server.answer(self.path)).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silent."""


@contextmanager
def running() -> Iterator[Catalogue]:
    """The catalogue on a port of its own."""
    with Catalogue() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
