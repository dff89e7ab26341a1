"""`ecluse`, the command line.

Exit codes: 0 done, 1 an error of ours, 2 a bad call or card, 3 stopped.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import quote, urlsplit

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from ecluse import operator_commands, portal_commands
from ecluse.print_status import print_dataset, print_inventory
from ecluse.terminal import (
    AsJson,
    Why,
    call,
    fail,
    has_no_policy,
    load,
    out,
    show,
    wait_for,
)
from shared.logs import failure_place
from shared.settings import settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Écluse opens a city's data without opening its people's lives.",
    pretty_exceptions_enable=False,
)
for more in (portal_commands, operator_commands):
    app.add_typer(more.app)


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
        fail(code, message, as_json=as_json)
    except typer.Exit:
        sys.exit(code)


def _settings_in(wrong: ValidationError | SettingsError) -> str:
    if isinstance(wrong, SettingsError):
        return str(wrong)
    names = {str(part) for error in wrong.errors() for part in error["loc"][:1]}
    return ", ".join(f"ECLUSE_{name.upper()}" for name in sorted(names))


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
        fail(2, "no card.yaml found there", as_json=as_json)
    cards = [load(file, as_json) for file in files]
    done = []
    for card in cards:
        body = card.body()
        result = call(lambda client, body=body: client.post("/datasets", body), as_json)  # type: ignore[misc]  # bound at once
        done.append(result)
        if not as_json:
            said = "declared" if result["changed"] else "unchanged"
            out.print(f"{card.dataset}: {said}, revision {result['revision']}", highlight=False)
            for reason in result.get("reasons", ()):
                out.print(reason[settings().language], highlight=False)
    if as_json:
        show({"declared": done}, True, "")


@app.command()
def send(
    dataset: str,
    source: Annotated[str, typer.Argument(help="A file, or an address (https, s3, file).")],
    kind: Annotated[str, typer.Option(help="update, correction or backfill.")] = "update",
    as_json: AsJson = False,
) -> None:
    """Send a dataset's new data, or say where they lie."""
    if urlsplit(source).scheme in ("http", "https", "s3", "file"):
        result = call(lambda client: client.send_address(dataset, source, kind), as_json)
    else:
        file = Path(source)
        if not file.is_file():
            fail(2, "there is no such file", as_json=as_json)
        result = call(lambda client: client.send_file(dataset, file, kind), as_json)
    show(result, as_json, f"{dataset}: change {result['change']}\nFollow it: {result['follow']}")


@app.command()
def status(
    dataset: Annotated[str | None, typer.Argument()] = None, as_json: AsJson = False
) -> None:
    """Where every dataset stands, or one of them in full."""
    language = settings().language
    if dataset:
        name = quote(dataset, safe="")
        found = call(
            lambda client: client.get(f"/datasets/{name}") | {"harvest": client.harvests(name)},
            as_json,
        )
        if as_json:
            show(found, True, "")
            return
        print_dataset(found, language, out)
        return
    found = call(lambda client: client.get("/datasets"), as_json)
    if as_json:
        show(found, True, "")
        return
    print_inventory(found, language, out)


@app.command()
def sign(card: Path, as_json: AsJson = False) -> None:
    """Put a card's privacy policy in force, with your key."""
    from shared.policy_signature import load_private, sign_policy  # noqa: PLC0415 - rarely needed

    loaded = load(card, as_json)
    key_file = settings().signing_key_file
    if key_file is None:
        fail(2, "ECLUSE_SIGNING_KEY_FILE does not name a signing key", as_json=as_json)
    try:
        key = load_private(key_file)
    except ValueError as wrong:
        fail(2, str(wrong), as_json=as_json)
    who = call(lambda client: client.get("/me"), as_json)["name"]
    signature = sign_policy(loaded, key, who, datetime.now(UTC).date())
    body = signature.model_dump(mode="json")
    result = call(lambda c: c.post(f"/datasets/{loaded.dataset}/signature", body), as_json)
    show(result, as_json, f"{loaded.dataset}: policy in force, signed by {who}")


def _decide(release: str, verdict: str, reason: str | None, as_json: bool, **more: object) -> None:
    body = {"verdict": verdict, "reason": reason, **more}
    result = call(
        lambda client: client.post(f"/releases/{quote(release, safe='')}/decision", body), as_json
    )
    lines = [f"{result['dataset']}: {release} {verdict}"]
    if more.get("put_back"):
        back = result.get("put_back")
        # None was public before, it was withdrawn, or the card has changed since.
        lines.append(f"{back} is put back" if back else "no release of before can be put back")
    show(result, as_json, "\n".join(lines))


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


Scope = Annotated[str, typer.Argument(help="A dataset, a domain, or all.")]


@app.command()
def pause(scope: Scope = "all", as_json: AsJson = False) -> None:
    """Hold the changes of a dataset, a domain, or all."""
    result = call(lambda client: client.post("/pause", {"scope": scope}), as_json)
    show(result, as_json, f"paused: {', '.join(result['datasets'])}")


@app.command()
def resume(scope: Scope = "all", as_json: AsJson = False) -> None:
    """Let them go on."""
    result = call(lambda client: client.post("/resume", {"scope": scope}), as_json)
    show(result, as_json, f"resumed: {', '.join(result['datasets'])}")


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

        counts = wait_for(replay_dead(settings(), dead), as_json)
        said = f"{counts['sent']} sent again, {counts['gone']} no longer there"
        if counts["foreign"]:
            said += (
                f"\n{counts['foreign']} not sent, of topics that others write: mend what stands there,"
                " or the card's `capture`; the next row that changes brings the dataset"
            )
        show(counts, as_json, said)
        return
    if not dataset:
        fail(2, "name a dataset, or --dead and a topic", as_json=as_json)
    body = {"dataset": dataset, "fetch": "again" if again else "kept"}
    result = call(lambda client: client.post("/replay", body), as_json)
    show(result, as_json, f"{dataset}: {result['change']} runs again")


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
    from ecluse.try_card import make_room, try_card  # noqa: PLC0415 - heavy libraries
    from ecluse.try_proposal import columns_of, write_proposal  # noqa: PLC0415 - heavy libraries
    from ecluse.try_report import print_trial, write_reports  # noqa: PLC0415 - heavy libraries

    if not file.is_file():
        fail(2, "there is no such file", as_json=as_json)
    undecided = propose and has_no_policy(card)
    loaded = load(card, as_json, partial(columns_of, source=file) if undecided else None)
    try:
        make_room(folder, loaded, (file, card))
    except ValueError as wrong:
        fail(2, str(wrong), as_json=as_json)
    except OSError:
        fail(2, "--out must name a folder that can be written to", as_json=as_json)
    try:
        trial = try_card(loaded, file, folder, settings(), undecided=undecided)
        if propose:
            write_proposal(loaded, file, folder, settings().language)
    except Exception as error:  # noqa: BLE001 - a library's text may quote a cell: only its place is said
        fail(1, f"a program of Écluse failed: {failure_place(error)}", as_json=as_json)
    result = trial.as_json(settings().language)
    write_reports(trial, folder, settings().language)
    if as_json:
        show(result, True, "")
    else:
        print_trial(loaded, trial, settings().language, out)
    raise typer.Exit(0 if trial.outcome == "publishable" else 3)


if __name__ == "__main__":
    main()
