"""Stands before a real portal and lets it fail: away, busy, cut off, or answering a page of errors.

Everything passes as it is until a mood is set. A mood takes (method, path) and says what happens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

import httpx

Happens = Literal["pass", "cut", "page", "busy"]
Mood = Callable[[str, str], Happens]
PAGE = b"<html><body>Maintenance</body></html>"
OWN_HEADERS = {"transfer-encoding", "connection", "content-encoding", "content-length", "date"}


def calm(_method: str, _path: str) -> Happens:
    """Everything passes."""
    return "pass"


def writes(what: Happens) -> Mood:
    """Reads pass; writes meet `what`. A call that is cut has been carried out."""
    return lambda method, path: "pass" if method == "GET" or "_show" in path else what


class MoodyProxy:
    """A proxy on loopback; `mood` can be set at any time, `down` and `up` close and open its port."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.mood: Mood = calm
        self.calls: list[tuple[str, str, Happens]] = []
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Opens the port, the same as before."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def down(self) -> None:
        """Closes the port: nobody answers there."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def written(self) -> list[str]:
        """The calls that wrote, in order."""
        return [f"{method} {path}" for method, path, _ in self.calls if method != "GET"]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                what = proxy.mood(self.command, self.path)
                proxy.calls.append((self.command, self.path, what))
                if what == "page":
                    self._say(200, {"Content-Type": "text/html"}, PAGE)
                    return
                if what == "busy":
                    self._say(503, {"Retry-After": "1"}, PAGE)
                    return
                kept = {
                    name: value
                    for name, value in self.headers.items()
                    if name.lower() not in ("host", "connection", "accept-encoding")
                }
                answer = httpx.request(
                    self.command,
                    f"{proxy.target}{self.path}",
                    content=body,
                    headers=kept | {"Accept-Encoding": "identity"},
                    timeout=120,
                    trust_env=False,
                )
                if what == "cut":
                    self.close_connection = True
                    return
                sent = {n: v for n, v in answer.headers.items() if n.lower() not in OWN_HEADERS}
                self._say(answer.status_code, sent, answer.content)

            def _say(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    # Who asked may have been stopped.
                    with suppress(BrokenPipeError, ConnectionResetError):
                        self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _any  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def __enter__(self) -> MoodyProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
