"""The operator's commands: they need the servers themselves, not the admin API."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from ecluse.migrate import migrate_all
from ecluse.terminal import NO_DATABASE, AsJson, fail, show, text_of, wait_for
from shared.card_file import BadCard
from shared.failures import OursAway
from shared.settings import settings

app = typer.Typer()


@app.command()
def remove(dataset: str, as_json: AsJson = False) -> None:
    """Leave people who ask for it out of all later releases; their identifiers on standard input."""
    from services.anonymize.removals import add_removals  # noqa: PLC0415 - heavy to import
    from shared.storage import open_store  # noqa: PLC0415 - heavy to import

    units = [line for line in (line.strip() for line in sys.stdin) if line]
    chosen = settings()
    # With what anonymize is told: its secret makes the digests, its credential may write them.
    count = wait_for(add_removals(open_store(chosen, "anonymize"), chosen, dataset, units), as_json)
    # A new card is a new release, made from the kept source, that replaces what is public.
    text = (
        f"{dataset}: {count} people on the list; write `removals: {count}` into the card's privacy"
    )
    show({"dataset": dataset, "removals": count}, as_json, text)


@app.command()
def reconcile(
    deep: Annotated[bool, typer.Option("--deep", help="Check every checksum.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count the ends of all changes and check every file named. Exit 3 when something is wrong."""
    from ecluse.reconcile import reconcile as account  # noqa: PLC0415 - needs the database

    if not settings().database.get_secret_value():
        fail(2, NO_DATABASE, as_json=as_json)
    result = wait_for(account(settings(), deep=deep), as_json)
    lines = [
        f"changes announced: {result['announced']}",
        *(f"ended {end}: {count}" for end, count in sorted(result["ends"].items())),
        *(f"open, {state}: {count}" for state, count in sorted(result["open"].items())),
        f"public files checked: {result['files']}",
        *(f"wrong: {', '.join(f'{k} {v}' for k, v in one.items())}" for one in result["wrong"]),
        "everything adds up" if result["ok"] else f"{len(result['wrong'])} discrepancies",
    ]
    show(result, as_json, "\n".join(lines))
    if not result["ok"]:
        raise typer.Exit(3)


@app.command()
def topics(
    captured: Annotated[
        list[str], typer.Option(help="Topic of change data capture, as a card names it.")
    ] = [],  # noqa: B006 - typer's own way
    as_json: AsJson = False,
) -> None:
    """Create Kafka's topics. Those that are there are left as they are."""
    from aiokafka.errors import KafkaError  # noqa: PLC0415 - wanted by this command alone

    from shared.topics import create_topics, kept_too_long  # noqa: PLC0415 - needs the broker

    try:
        made, there = wait_for(create_topics(settings(), captured), as_json)
        long = wait_for(kept_too_long(settings()), as_json)
    except KafkaError:
        fail(1, text_of("broker_away"), as_json=as_json)
    lines = [
        f"{len(made)} created, {len(there)} there",
        *(f"wrong: {name} keeps rows longer than ECLUSE_RAW_RETENTION_DAYS" for name in long),
    ]
    found = {"created": made, "there": there, "kept_too_long": long}
    show(found, as_json, "\n".join(lines))
    if long:
        raise typer.Exit(3)


@app.command()
def store(
    buckets_only: Annotated[
        bool, typer.Option("--buckets-only", help="For a store that is not MinIO.")
    ] = False,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Delete what is past its retention from a folder.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Set the object store up: buckets, retentions, one user a process, notifications."""
    if sweep:
        from ecluse.sweep_folder import sweep_folder  # noqa: PLC0415 - wanted by this command alone

        gone = wait_for(sweep_folder(settings()), as_json)
        show({"deleted": gone}, as_json, f"past their retention, deleted: {sum(gone.values())}")
        return
    try:
        from ecluse.store_setup import set_up_store  # noqa: PLC0415 - not in every image
    except ModuleNotFoundError:
        fail(2, "the package minio is missing: pip install 'ecluse[store]'", as_json=as_json)
    try:
        done = set_up_store(settings(), users=not buckets_only)
    except OursAway:
        fail(1, text_of("store_away"), as_json=as_json)
    except ValueError as wrong:
        fail(2, str(wrong), as_json=as_json)
    lines = [f"buckets: {len(done.created)} created, {len(done.there)} there"]
    if done.suspended:
        lines.append(
            f"versioning turned off: {', '.join(done.suspended)}; old versions go in a day"
        )
    if not buckets_only:
        lines.append(f"users: {', '.join(done.users) or 'none'}")
        if done.without_secret:
            lines.append(f"left as they were, without a secret: {', '.join(done.without_secret)}")
        how = done.notifications or f"none: listed every {settings().drop_poll_seconds:g} s"
        lines.append(f"notifications of drop: {how}")
    show(asdict(done), as_json, "\n".join(lines))


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Bring the database's schemas to their newest version."""
    from sqlalchemy.exc import OperationalError  # noqa: PLC0415 - needs the database

    if not settings().database.get_secret_value():
        fail(2, NO_DATABASE, as_json=as_json)
    try:
        done = migrate_all(settings())
    except OperationalError:
        fail(1, text_of("database_away"), as_json=as_json)
    show({"schemas": done}, as_json, f"up to date: {', '.join(done)}")


@app.command()
def serve(
    service: Literal["ingest", "anonymize", "convert", "publish", "portal", "notify"],
) -> None:
    """Run one process in the foreground."""
    from ecluse.serve import make_service  # noqa: PLC0415 - an image holds one service

    chosen = settings()
    if service in ("publish", "portal", "notify") and not chosen.database.get_secret_value():
        fail(2, NO_DATABASE)
    try:
        process = make_service(service, chosen)
    except (BadCard, ValueError) as wrong:
        fail(2, str(wrong))
    process.run()
