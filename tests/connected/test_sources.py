"""Every way in: a file, an address, the drop folder; and what a source that is away means."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from deploy.local.child import free_port
from tests.cards import card
from tests.connected.stores import ON_EVERY_STORE, drop, objects
from tests.connected.town import Town, eventually

A = "id;places\nB1;3\nB2;4\n"
PUBLIC_A = "id,places\r\nB1,3\r\nB2,4\r\n"


@ON_EVERY_STORE
async def test_the_drop_folder(town: Town) -> None:
    """A référent drops a file and goes home: it becomes open data."""
    await town.start()
    await town.declare(card())
    await drop(town, "espaces-verts/bancs/bancs de la ville.csv", A)

    async def public() -> bool:
        return await town.csv() == PUBLIC_A

    await eventually(public, "the dropped file was not published")
    await town.quiet()
    told = [str(body) for (body,) in town.rows("select body from publish.ledger")]
    assert not [body for body in told if "bancs de la ville" in body]
    assert not await objects(town, "drop")


async def test_a_file_outside_the_allowed_folders(town: Town) -> None:
    """An event may not point anywhere in the file system."""
    await town.start()
    await town.declare(card())
    secret = town.folder / "secret.csv"
    secret.write_text(A, encoding="utf-8")
    (town.folder / "sources" / "link.csv").symlink_to(secret)
    outside = await town.announce("e1", secret.as_uri())
    linked = await town.announce("e2", (town.folder / "sources" / "link.csv").as_uri())
    await town.quiet()
    assert await town.ends(outside, linked) == ["ingest: quarantined"] * 2
    assert await town.csv() is None


async def test_a_source_that_is_away_is_tried_again(town: Town) -> None:
    """A server that does not answer makes the change wait; it goes on when the server is back."""
    port = free_port()
    town.settings = town.settings.model_copy(update={"allow_private_addresses": True})
    await town.start()
    await town.declare(card())
    sent = await town.announce("e1", f"http://127.0.0.1:{port}/bancs.csv")
    await town.quiet()
    assert await town.ends(sent) == ["ingest: waiting"]
    folder = town.folder / "served"
    folder.mkdir()
    (folder / "bancs.csv").write_text(A, encoding="utf-8")
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        again = await town.announce("e2", f"http://127.0.0.1:{port}/bancs.csv")
        await town.quiet()
        server.shutdown()
    assert await town.csv() == PUBLIC_A
    assert await town.ends(sent, again) == ["superseded", "published"]


async def test_an_address_that_is_private(town: Town) -> None:
    """An event cannot make ingest read the city's own network."""
    await town.start()
    await town.declare(card())
    sent = await town.announce("e1", f"{town.settings.admin_url}/live")
    await town.quiet()
    assert await town.ends(sent) == ["ingest: quarantined"]
