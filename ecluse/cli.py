"""`ecluse`, the command line.

Exit codes: 0 done, 1 an error of ours, 2 a bad call or card, 3 stopped.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn
from urllib.parse import quote, urlsplit

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console
from rich.markup import escape

from ecluse.client import CallFailed, Client
from ecluse.portal_commands import add_portal_commands
from ecluse.print_status import print_dataset, print_inventory
from shared.card import Card
from shared.card_file import BadCard, find_strategy, load_card, load_strategy
from shared.failures import EcluseError, OursAway
from shared.logs import failure_place
from shared.messages import Reason
from shared.settings import Settings, settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Écluse opens a city's data without opening its people's lives.",
    pretty_exceptions_enable=False,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Why = Annotated[str | None, typer.Option("--reason", help="Why; kept with the decision.")]
NO_DATABASE = "ECLUSE_DATABASE does not name a database"
out = Console()
err = Console(stderr=True)


def main() -> None:
    """The entry point. What nobody foresaw is told by its place: its text may quote a cell."""
    as_json = "--json" in sys.argv
    try:
        app()
    except (ValidationError, SettingsError) as wrong:
        _end(2, f"the settings cannot be used: {_settings_in(wrong)}", as_json)
    except Exception as error:  # noqa: BLE001 - the last one to hear of it
        _end(1, f"a program of Écluse failed: {failure_place(error)}", as_json)


def _end(code: int, message: str, as_json: bool) -> NoReturn:
    try:
        _fail(code, message, as_json=as_json)
    except typer.Exit:
        sys.exit(code)


def _settings_in(wrong: ValidationError | SettingsError) -> str:
    if isinstance(wrong, SettingsError):
        return str(wrong)
    names = {str(part) for error in wrong.errors() for part in error["loc"][:1]}
    return ", ".join(f"ECLUSE_{name.upper()}" for name in sorted(names))


def _fail(code: int, message: str, *, as_json: bool = False, **facts: Any) -> NoReturn:
    if as_json:
        print(json.dumps({"error": message, **facts}, ensure_ascii=False))
    else:
        err.print(message, style="red", markup=False, highlight=False)
    raise typer.Exit(code)


def _show(result: dict[str, Any], as_json: bool, text: str) -> None:
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        out.print(text, markup=False, highlight=False, soft_wrap=True)


def _call(work: Callable[[Client], dict[str, Any]], as_json: bool) -> dict[str, Any]:
    try:
        return work(Client(settings()))
    except CallFailed as failure:
        _fail(2 if failure.mine else 1, str(failure), as_json=as_json, refused=failure.refused)


def _await(work: Coroutine[Any, Any, Any], as_json: bool) -> Any:
    try:
        return asyncio.run(work)
    except EcluseError as failure:
        said = " ".join(str(reason.text(settings().language)) for reason in failure.reasons)
        _fail(1, said, as_json=as_json)


def _text(code: str) -> str:
    return str(Reason(code=code).text(settings().language))


def _load(card: Path, as_json: bool) -> Card:
    """The card, resolved with the strategy of the settings or of a folder above it."""
    try:
        strategy = load_strategy(settings().strategy_file or find_strategy(card))
        return load_card(card, strategy)
    except BadCard as bad:
        problems = [{"field": one.field, "message": one.message} for one in bad.problems]
        if as_json:
            _fail(2, "the card cannot be used", as_json=True, problems=problems)
        name = escape(card.name)
        err.print(f"[red]{name}: the card cannot be used.[/red]", highlight=False)
        for one in bad.problems:
            where, what = escape(one.field), escape(one.message)
            err.print(f"  [bold]{where}[/bold] {what}", highlight=False)
        raise typer.Exit(2) from None


@app.command()
def declare(
    paths: Annotated[list[Path], typer.Argument(help="Cards, or folders with card.yaml in them.")],
    as_json: AsJson = False,
) -> None:
    """Put cards in force."""
    files = [
        f for path in paths for f in (sorted(path.rglob("card.yaml")) if path.is_dir() else [path])
    ]
    if not files:
        _fail(2, "no card.yaml found there", as_json=as_json)
    cards = [_load(file, as_json) for file in files]
    done = []
    for card in cards:
        body = card.body()
        result = _call(lambda client, body=body: client.post("/datasets", body), as_json)  # type: ignore[misc]  # bound at once
        done.append(result)
        if not as_json:
            said = "declared" if result["changed"] else "unchanged"
            out.print(f"{card.dataset}: {said}, revision {result['revision']}", highlight=False)
    if as_json:
        _show({"declared": done}, True, "")


@app.command()
def send(
    dataset: str,
    source: Annotated[str, typer.Argument(help="A file, or an address (https, s3, file).")],
    kind: Annotated[str, typer.Option(help="update, correction or backfill.")] = "update",
    as_json: AsJson = False,
) -> None:
    """Send a dataset's new data, or say where they lie."""
    if urlsplit(source).scheme in ("http", "https", "s3", "file"):
        result = _call(lambda client: client.send_address(dataset, source, kind), as_json)
    else:
        file = Path(source)
        if not file.is_file():
            _fail(2, "there is no such file", as_json=as_json)
        result = _call(lambda client: client.send_file(dataset, file, kind), as_json)
    _show(result, as_json, f"{dataset}: change {result['change']}\nFollow it: {result['follow']}")


@app.command()
def status(
    dataset: Annotated[str | None, typer.Argument()] = None, as_json: AsJson = False
) -> None:
    """Where every dataset stands, or one of them in full."""
    language = settings().language
    if dataset:
        name = quote(dataset, safe="")
        found = _call(
            lambda client: client.get(f"/datasets/{name}") | {"harvest": client.harvests(name)},
            as_json,
        )
        if as_json:
            _show(found, True, "")
            return
        print_dataset(found, language, out)
        return
    found = _call(lambda client: client.get("/datasets"), as_json)
    if as_json:
        _show(found, True, "")
        return
    print_inventory(found, language, out)


@app.command()
def sign(card: Path, as_json: AsJson = False) -> None:
    """Put a card's privacy policy in force, with your key."""
    from shared.policy_signature import load_private, sign_policy  # noqa: PLC0415 - rarely needed

    loaded = _load(card, as_json)
    key_file = settings().signing_key_file
    if key_file is None:
        _fail(2, "ECLUSE_SIGNING_KEY_FILE does not name a signing key", as_json=as_json)
    try:
        key = load_private(key_file)
    except ValueError as wrong:
        _fail(2, str(wrong), as_json=as_json)
    who = _call(lambda client: client.get("/me"), as_json)["name"]
    signature = sign_policy(loaded, key, who, datetime.now(UTC).date())
    body = signature.model_dump(mode="json")
    result = _call(lambda c: c.post(f"/datasets/{loaded.dataset}/signature", body), as_json)
    _show(result, as_json, f"{loaded.dataset}: policy in force, signed by {who}")


def _decide(release: str, verdict: str, reason: str | None, as_json: bool, **more: object) -> None:
    body = {"verdict": verdict, "reason": reason, **more}
    result = _call(
        lambda client: client.post(f"/releases/{quote(release, safe='')}/decision", body), as_json
    )
    _show(result, as_json, f"{result['dataset']}: {release} {verdict}")


@app.command()
def approve(release: str, reason: Why = None, as_json: AsJson = False) -> None:
    """Let a waiting release go out."""
    _decide(release, "approved", reason, as_json)


@app.command()
def refuse(release: str, reason: Why = None, as_json: AsJson = False) -> None:
    """Refuse a waiting release; say why."""
    _decide(release, "refused", reason, as_json)


@app.command()
def withdraw(
    release: str,
    reason: Why = None,
    personal_data: Annotated[
        bool, typer.Option("--personal-data", help="It shows personal data: opens a breach sheet.")
    ] = False,
    put_back: Annotated[
        bool, typer.Option("--put-back", help="Publish the release of before again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Take a release off the portal, whatever state it is in; say why."""
    more: dict[str, object] = {"motive": "personal_data"} if personal_data else {}
    more |= {"put_back": True} if put_back else {}
    _decide(release, "withdrawn", reason, as_json, **more)


add_portal_commands(app, _call, _show)
Scope = Annotated[str, typer.Argument(help="A dataset, a domain, or all.")]


@app.command()
def pause(scope: Scope = "all", as_json: AsJson = False) -> None:
    """Hold the changes of a dataset, a domain, or all."""
    result = _call(lambda client: client.post("/pause", {"scope": scope}), as_json)
    _show(result, as_json, f"paused: {', '.join(result['datasets'])}")


@app.command()
def resume(scope: Scope = "all", as_json: AsJson = False) -> None:
    """Let them go on."""
    result = _call(lambda client: client.post("/resume", {"scope": scope}), as_json)
    _show(result, as_json, f"resumed: {', '.join(result['datasets'])}")


@app.command()
def replay(
    dataset: Annotated[str | None, typer.Argument()] = None,
    again: Annotated[bool, typer.Option("--again", help="Fetch the source anew.")] = False,
    dead: Annotated[str | None, typer.Option("--dead", help="A topic's dead letters.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a dataset's latest change again, or a topic's dead letters."""
    if dead:
        from ecluse.dead_letters import replay_dead  # noqa: PLC0415 - needs the broker

        counts = _await(replay_dead(settings(), dead), as_json)
        _show(counts, as_json, f"{counts['sent']} sent again, {counts['gone']} no longer there")
        return
    if not dataset:
        _fail(2, "name a dataset, or --dead and a topic", as_json=as_json)
    body = {"dataset": dataset, "fetch": "again" if again else "kept"}
    result = _call(lambda client: client.post("/replay", body), as_json)
    _show(result, as_json, f"{dataset}: {result['change']} runs again")


@app.command()
def reconcile(
    deep: Annotated[bool, typer.Option("--deep", help="Check every checksum.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count the ends of all changes and check every file named. Exit 3 when something is wrong."""
    from ecluse.reconcile import reconcile as account  # noqa: PLC0415 - needs the database

    if not settings().database.get_secret_value():
        _fail(2, NO_DATABASE, as_json=as_json)
    result = _await(account(settings(), deep=deep), as_json)
    lines = [
        f"changes announced: {result['announced']}",
        *(f"ended {end}: {count}" for end, count in sorted(result["ends"].items())),
        *(f"open, {state}: {count}" for state, count in sorted(result["open"].items())),
        f"public files checked: {result['files']}",
        *(f"wrong: {', '.join(f'{k} {v}' for k, v in one.items())}" for one in result["wrong"]),
        "everything adds up" if result["ok"] else f"{len(result['wrong'])} discrepancies",
    ]
    _show(result, as_json, "\n".join(lines))
    if not result["ok"]:
        raise typer.Exit(3)


@app.command()
def topics(as_json: AsJson = False) -> None:
    """Create Kafka's topics. Those that are there are left as they are."""
    from aiokafka.errors import KafkaError  # noqa: PLC0415

    from shared.topics import create_topics  # noqa: PLC0415 - needs the broker

    try:
        made, there = _await(create_topics(settings()), as_json)
    except KafkaError:
        _fail(1, _text("broker_away"), as_json=as_json)
    _show({"created": made, "there": there}, as_json, f"{len(made)} created, {len(there)} there")


@app.command()
def store(
    buckets_only: Annotated[
        bool, typer.Option("--buckets-only", help="For a store that is not MinIO.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Set the object store up: buckets, retentions, one user a process, notifications."""
    try:
        from ecluse.store_setup import set_up_store  # noqa: PLC0415 - not in every image
    except ModuleNotFoundError:
        _fail(2, "the package minio is missing: pip install 'ecluse[store]'", as_json=as_json)
    try:
        done = set_up_store(settings(), users=not buckets_only)
    except OursAway:
        _fail(1, _text("store_away"), as_json=as_json)
    except ValueError as wrong:
        _fail(2, str(wrong), as_json=as_json)
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
    _show(asdict(done), as_json, "\n".join(lines))


@app.command()
def migrate(as_json: AsJson = False) -> None:
    """Bring the database's schemas to their newest version."""
    from sqlalchemy.exc import OperationalError  # noqa: PLC0415 - needs the database

    if not settings().database.get_secret_value():
        _fail(2, NO_DATABASE, as_json=as_json)
    try:
        done = migrate_all(settings())
    except OperationalError:
        _fail(1, _text("database_away"), as_json=as_json)
    _show({"schemas": done}, as_json, f"up to date: {', '.join(done)}")


def migrate_all(chosen: Settings) -> list[str]:
    """Migrates every schema whose service is installed here."""
    import services.anonymize.tables  # noqa: PLC0415 - not in every image
    import services.notify.app  # noqa: PLC0415
    import services.publish.app  # noqa: PLC0415
    from shared.migrate import upgrade  # noqa: PLC0415

    url = chosen.database.get_secret_value()
    modules = (services.publish.app, services.notify.app, services.anonymize.tables)
    for module in modules:
        upgrade(url, module.MIGRATIONS, module.SCHEMA)
    return [module.SCHEMA for module in modules]


@app.command()
def serve(
    service: Literal["ingest", "anonymize", "convert", "publish", "portal", "notify"],
) -> None:
    """Run one process in the foreground."""
    from ecluse.serve import make_service  # noqa: PLC0415 - an image holds one service

    chosen = settings()
    if service in ("publish", "portal", "notify") and not chosen.database.get_secret_value():
        _fail(2, NO_DATABASE)
    try:
        process = make_service(service, chosen)
    except (BadCard, ValueError) as wrong:
        _fail(2, str(wrong))
    process.run()


@app.command("try")
def try_(
    card: Path,
    file: Path,
    folder: Annotated[Path, typer.Option("--out", help="Where files and reports go.")],
    propose: Annotated[
        bool, typer.Option("--propose", help="Write a draft of the policy: proposal.yaml.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """See what would be published of a file, and what would stop it. Nothing leaves this machine."""
    from ecluse.try_card import make_room, try_card  # noqa: PLC0415
    from ecluse.try_proposal import write_proposal  # noqa: PLC0415
    from ecluse.try_report import print_trial, write_reports  # noqa: PLC0415 - heavy libraries

    if not file.is_file():
        _fail(2, "there is no such file", as_json=as_json)
    loaded = _load(card, as_json)
    try:
        make_room(folder, loaded, (file, card))
    except ValueError as wrong:
        _fail(2, str(wrong), as_json=as_json)
    except OSError:
        _fail(2, "--out must name a folder that can be written to", as_json=as_json)
    try:
        trial = try_card(loaded, file, folder)
        if propose:
            write_proposal(loaded, file, folder, settings().language)
    except Exception as error:  # noqa: BLE001 - a library's text may quote a cell: only its place is said
        _fail(1, f"a program of Écluse failed: {failure_place(error)}", as_json=as_json)
    result = trial.as_json(settings().language)
    write_reports(trial, folder, settings().language)
    if as_json:
        _show(result, True, "")
    else:
        print_trial(loaded, trial, settings().language, out)
    raise typer.Exit(0 if trial.outcome == "publishable" else 3)


if __name__ == "__main__":
    main()
