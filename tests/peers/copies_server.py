"""Stands in for where a portal's crawler puts what it made of files: an address answers until its copy
is taken away.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class CopiesServer:
    """On loopback. `there`: the paths that answer; the others say 404."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.asked: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers.get("X-API-KEY")))
                body = b"PAR1" if self.path in outer.there else b""
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                # Who asked wants to know the status alone.
                with suppress(BrokenPipeError, ConnectionResetError):
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def derive(self, resource: str) -> dict[str, str]:
        """Copies of a resource, and what udata-hydra writes about them into its `extras`."""
        told = {"analysis:parsing:parsing_table": "0cc175b9c0f1b6a831c399e269772661"}
        for kind in ("parquet", "pmtiles"):
            self.there.add(f"/{resource}.{kind}")
            told[f"analysis:parsing:{kind}_url"] = f"{self.url}/{resource}.{kind}"
        self.there.add(self.rows(resource))
        return told

    def rows(self, resource: str) -> str:
        """Where the tabular API answers for a resource."""
        return f"/api/resources/{resource}/data/"

    def __enter__(self) -> CopiesServer:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
