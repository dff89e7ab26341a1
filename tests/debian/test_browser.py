"""A real browser draws the map layer on the portal's page. `make test-browser` runs this."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import shapely
import uvicorn
from starlette.types import Receive, Scope, Send

from services.publish.portal.site import make_portal
from tests.services.convert.tables import convert
from tests.services.publish.portal_town import CSV, Memory, dataset, file

SHAPES = (
    "POINT (4.85 45.75)",
    "MULTIPOINT (4.81 45.71, 4.82 45.72)",
    "LINESTRING (4.8 45.7, 4.9 45.8)",
    "POLYGON ((4.8 45.75, 4.84 45.75, 4.84 45.79, 4.8 45.79, 4.8 45.75))",
)


@dataclass
class Site:
    """A portal on loopback. `asked` are the paths that came in."""

    address: str
    asked: list[str] = field(default_factory=list)


class Counted:
    """The portal, noting what it is asked for; `broken` paths answer 404."""

    def __init__(self, site: Site, memory: Memory) -> None:
        self.site = site
        self.app = make_portal(
            memory, memory, public_url=site.address, city="Ville d'essai", domains={}
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.site.asked.append(scope["path"])
        await self.app(scope, receive, send)


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The simplified layer that convert makes of points, lines and polygons."""
    shapes = shapely.to_wkb(shapely.from_wkt(SHAPES))
    names = ["<b>Bellecour</b>", "b", "c", "d"]
    made = convert(
        pa.table({"nom": names, "g": pa.array(shapes, pa.binary())}),
        tmp_path_factory.mktemp("layer"),
    )
    [found] = [one for one in made.extras if one.name == "map.geojson"]
    return found.path.read_bytes()


@pytest.fixture
def site(layer: bytes, request: pytest.FixtureRequest) -> Iterator[Site]:
    content = getattr(request, "param", None) or layer
    told = file("map.geojson", content, role="extra", media_type="application/geo+json")
    memory = Memory([dataset()], {file(): CSV, told: content})
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        site = Site(f"http://127.0.0.1:{listening.getsockname()[1]}")
        config = uvicorn.Config(Counted(site, memory), log_level="warning", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield site
        server.should_exit = True
        thread.join()


def browse(address: str, folder: Path, *options: str) -> tuple[str, str]:
    """The page as it stands once its scripts have run, and what the browser said."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise AssertionError("chromium is missing: install it (Debian: apt-get install chromium)")
    command = [
        program,
        "--headless",
        "--no-sandbox",  # as root there is none; the page is our own
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--window-size=1100,1600",
        "--virtual-time-budget=20000",
        *options,
        address,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout, done.stderr


class Map(HTMLParser):
    """What the page's map is: attributes of its element, and whether something is drawn in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.told: dict[str, str | None] = {}
        self.said: dict[str, str | None] = {}
        self.canvas = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        found = dict(attrs)
        if found.get("id") == "map":
            self.told = found
        if found.get("id") == "map-said":
            self.said = found
        self.canvas |= tag == "canvas"


def test_the_map_is_drawn(site: Site, tmp_path: Path) -> None:
    """Points, lines and polygons of the layer; nothing asked elsewhere, no rule of the page broken."""
    page, heard = browse(f"{site.address}/datasets/bancs", tmp_path, "--dump-dom")
    shown = Map(page)
    assert shown.told.get("data-features") == str(len(SHAPES))
    assert shown.canvas
    assert "hidden" not in shown.told
    assert "hidden" in shown.said
    assert "Refused" not in heard
    assert "Content Security Policy" not in heard
    assert "/datasets/bancs/map.geojson" in site.asked
    assert {path.split("/")[1] for path in site.asked} <= {"datasets", "static", "favicon.ico"}


@pytest.mark.parametrize("site", [b"{}"], indirect=True)
def test_a_layer_that_cannot_be_drawn_is_told(site: Site, tmp_path: Path) -> None:
    """The page says what to do instead of showing an empty frame."""
    page, _ = browse(f"{site.address}/datasets/bancs", tmp_path, "--dump-dom")
    assert "hidden" in Map(page).told
    assert "n'a pas pu être dessinée" in page
