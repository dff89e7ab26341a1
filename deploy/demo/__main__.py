"""`make demo`: a real broker, a real database, every service, a sample city."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live

from deploy.demo import screen, story
from deploy.demo.check import check_city
from deploy.demo.people import make_people
from deploy.local.child import LocalStackError
from deploy.local.stack import SERVICES, LocalStack
from ecluse.client import CallFailed, Client
from ecluse.migrate import migrate_all
from shared.card import Card
from shared.settings import Settings
from shared.topics import create_topics


def main() -> int:
    """Runs the demo; the exit code."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--once", action="store_true", help="run, check what is public, stop")
    parser.add_argument("--folder", type=Path, default=Path(".ecluse/demo"), help="its data")
    chosen = parser.parse_args()
    console = Console()
    shutil.rmtree(chosen.folder, ignore_errors=True)
    stack = LocalStack(chosen.folder)
    # SIGTERM ends the demo as Ctrl-C does: through the same orderly stop.
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    try:
        return run(stack, console, once=chosen.once)
    except KeyboardInterrupt:
        console.print("stopping…")
        return 0
    except (LocalStackError, CallFailed) as failure:
        console.print(f"[red]{failure}[/red]", highlight=False)
        return 1
    finally:
        stack.stop()


def run(stack: LocalStack, console: Console, *, once: bool) -> int:
    """From nothing to a city's open data on the portal."""
    began = time.monotonic()
    tokens = start(stack, console)
    city = story.cards()
    responsable = Client(_settings(stack, tokens["demo-responsable"]))
    sender = Client(_settings(stack, tokens["demo-sig"]))
    console.print(f"declaring {len(city)} datasets and signing their policies…")
    story.declare_and_sign(responsable, Path(stack.env["ECLUSE_SIGNING_KEY_FILE"]), city)
    for card in city.values():
        (Path(stack.env["ECLUSE_STORE"]) / "drop" / card.domain / card.dataset).mkdir(parents=True)
    sent = [story.send(sender, name, story.data_file(name), "first") for name in city]
    settled = watch(stack, console, responsable, sent)
    update = story.CITY / "updates" / f"{story.UPDATED}.csv"
    sent.append(story.send(sender, story.UPDATED, update, "update"))
    settled = settled and watch(stack, console, responsable, sent)
    for one in sent:
        if one.dataset == story.STOPPED:
            screen.stopped(console, one, "en")
    if once:
        return report(console, stack, city, sent, settled, time.monotonic() - began)
    metrics = {name: stack.url(name) for name in SERVICES if name != "portal"}
    metrics["portal"] = stack.url("portal_metrics")
    screen.addresses(console, stack.url("portal"), metrics, os.path.relpath(stack.folder))
    while True:
        stack.processes.check()
        time.sleep(0.5)


def start(stack: LocalStack, console: Console) -> dict[str, str]:
    """Starts servers and services; the identities' tokens."""
    console.print("starting Apache Kafka and PostgreSQL…")
    stack.start_servers()
    files, tokens = make_people(stack.folder / "people")
    stack.configure(city="Ville de Démo", strategy_file=str(story.CITY / "strategy.yaml"), **files)
    settings = _settings(stack, "")
    migrate_all(settings)
    stack.grant()
    asyncio.run(create_topics(settings))
    _write_env(stack, tokens)
    console.print("starting ingest, anonymize, convert, publish, notify and the portal…")
    stack.start_services()
    return tokens


def _settings(stack: LocalStack, token: str) -> Settings:
    """The settings of a person's command line."""
    told = {name.removeprefix("ECLUSE_").lower(): value for name, value in stack.env.items()}
    return Settings.model_validate(told | {"token": token, "database": stack.database_url()})


def _write_env(stack: LocalStack, tokens: dict[str, str]) -> None:
    """A file to source, so that `ecluse` speaks to this demo."""
    told = {
        **{k: v for k, v in stack.env.items() if k != "ECLUSE_CITY_SECRET"},
        "ECLUSE_TOKEN": tokens["demo-responsable"],
        "ECLUSE_DATABASE": stack.database_url("ecluse_reader"),
    }
    env = stack.folder / "env"
    env.touch(mode=0o600)
    env.write_text("".join(f"export {name}='{value}'\n" for name, value in told.items()))


def watch(stack: LocalStack, console: Console, client: Client, sent: list[story.Sent]) -> bool:
    """Shows the changes' way until all are settled."""
    with Live(console=console, refresh_per_second=4) as live:
        settled = story.until_settled(
            client,
            sent,
            lambda now: live.update(screen.progress(now)),
            stack.processes.check,
        )
    console.print()
    return settled


def report(
    console: Console,
    stack: LocalStack,
    city: dict[str, Card],
    sent: list[story.Sent],
    settled: bool,
    seconds: float,
) -> int:
    """Checks everything that `--once` promises."""
    wrong = check_city(stack.url("portal"), city, sent) if settled else ["it took too long"]
    for what in wrong:
        console.print(f"[red]✘ {what}[/red]", highlight=False)
    if not wrong:
        console.print(
            f"[green]✔[/green] {len(city) - 1} datasets public and downloadable in every format, "
            f"{story.STOPPED} stopped with its reason ({seconds:.0f} s)",
            highlight=False,
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
