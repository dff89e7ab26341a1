"""A catalogue feed on its way to a harvester, altered: what a faulty proxy or portal would serve."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
from rdflib import Graph, Literal, URIRef
from rdflib.namespace import DCAT, DCTERMS, RDF

# Gives the Turtle of a page of the true feed, by its number from 1.
Fetch = Callable[[int], str]


@dataclass(frozen=True)
class Answer:
    """An answer that is no page."""

    status: int
    location: str = ""


# Changes a page in place, or answers in its stead.
Alter = Callable[[Graph, int], Answer | None]


def untouched(_graph: Graph, _page: int) -> None:
    """The feed as it is."""


def broken(page: int, status: int, location: str = "") -> Alter:
    """One page cannot be read."""
    return lambda _graph, number: Answer(status, location) if number == page else None


def without_dataset(node: str) -> Alter:
    """The dataset is not there."""

    def alter(graph: Graph, _page: int) -> None:
        graph.remove((URIRef(node), RDF.type, DCAT.Dataset))

    return alter


def only(node: str) -> Alter:
    """No other dataset is there."""

    def alter(graph: Graph, _page: int) -> None:
        for other in list(graph.subjects(RDF.type, DCAT.Dataset)):
            if str(other) != node:
                graph.remove((other, RDF.type, DCAT.Dataset))

    return alter


def all_of(*changes: Alter) -> Alter:
    """Several changes at once."""

    def alter(graph: Graph, page: int) -> Answer | None:
        for change in changes:
            if answer := change(graph, page):
                return answer
        return None

    return alter


def without_title(node: str) -> Alter:
    """The dataset has no title."""
    return _removing(node, DCTERMS.title)


def without_identifier(node: str) -> Alter:
    """The dataset has no identifier."""
    return _removing(node, DCTERMS.identifier)


def without_file(node: str, form: str) -> Alter:
    """One distribution of the dataset is not there."""

    def alter(graph: Graph, _page: int) -> None:
        graph.remove((URIRef(node), DCAT.distribution, URIRef(f"{node}#{form}")))

    return alter


def renamed(node: str, identifier: str) -> Alter:
    """The dataset has another identifier."""

    def alter(graph: Graph, _page: int) -> None:
        if (URIRef(node), RDF.type, DCAT.Dataset) in graph:
            graph.set((URIRef(node), DCTERMS.identifier, Literal(identifier)))

    return alter


def _removing(node: str, predicate: URIRef) -> Alter:
    def alter(graph: Graph, _page: int) -> None:
        graph.remove((URIRef(node), predicate, None))

    return alter


class AlteredFeed:
    """Serves the feed at `base` on loopback, page by page, through `alter`; counts what was asked."""

    def __init__(self, base: str, fetch: Fetch) -> None:
        self.alter: Alter = untouched
        self.asked: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._serve(self)

            do_HEAD = do_GET  # noqa: N815 - http.server's name

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        self._base, self.fetch = base, fetch
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/catalog.ttl"

    def __enter__(self) -> AlteredFeed:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        page = int(parse_qs(urlsplit(request.path).query).get("page", ["1"])[0])
        self.asked.append(page)
        own = self.url.removesuffix("/catalog.ttl")
        # Only the way to the next page leads through here; identifiers and files stay as they are.
        graph = Graph()
        try:
            text = self.fetch(page)
        except httpx.HTTPError:
            answer = Answer(502)
        else:
            text = text.replace(f"<{self._base}/catalog.ttl", f"<{own}/catalog.ttl")
            graph.parse(data=text, format="turtle")
            answer = self.alter(graph, page) or Answer(200)
        body = graph.serialize(format="turtle").encode() if answer.status == 200 else b""
        request.send_response(answer.status)
        if answer.location:
            request.send_header("Location", answer.location)
        request.send_header("Content-Type", "text/turtle; charset=utf-8")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)
