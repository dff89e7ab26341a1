"""What the demo shows in the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from deploy.demo.story import Sent

STAGES = ("ingest", "anonymize", "convert", "publish")


def progress(sent: list[Sent]) -> Table:
    """Each change and the chambers it has passed."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("dataset", no_wrap=True)
    for name in (*STAGES, "end"):
        table.add_column(name, no_wrap=True)
    for one in sent:
        name = one.dataset if one.what == "first" else f"{one.dataset} ({one.what})"
        table.add_row(name, *_marks(one), _end(one))
    return table


def _marks(one: Sent) -> list[Text]:
    stage, state = one.state.get("stage"), one.state.get("state")
    if stage not in STAGES:
        return [Text("·", style="dim")] * len(STAGES)
    reached = STAGES.index(stage)
    ended = one.state.get("end") in ("published", "unchanged")
    marks = []
    for number in range(len(STAGES)):
        if number < reached or ended:
            marks.append(Text("✔", style="green"))
        elif number > reached:
            marks.append(Text("·", style="dim"))
        elif state == "quarantined":
            marks.append(Text("■", style="red"))
        elif state in ("waiting", "parked"):
            marks.append(Text("waits", style="yellow"))
        else:
            marks.append(Text("…" if state == "started" else "✔", style="cyan"))
    return marks


def _end(one: Sent) -> Text:
    if end := one.state.get("end"):
        return Text(end, style="green" if end in ("published", "unchanged") else "yellow")
    if one.state.get("state") == "quarantined":
        return Text("stopped", style="bold red")
    return Text("")


def stopped(console: Console, one: Sent, language: str) -> None:
    """Why a dataset was stopped, in plain words."""
    lines = [Text(str(reason[language])) for reason in one.state.get("reasons", [])]
    title = f"{one.dataset}: nothing of it was published"
    console.print(Panel(Group(*lines), title=title, border_style="red", expand=False))


def addresses(console: Console, portal: str, metrics: dict[str, str], folder: str) -> None:
    """Where to look, and what to try next."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, address in (
        ("Portal", f"{portal}/"),
        ("In English", f"{portal}/en"),
        ("News", f"{portal}/news.atom"),
        ("Catalogue", f"{portal}/catalog.ttl"),
        *((f"Metrics, {name}", f"{url}/metrics") for name, url in metrics.items()),
    ):
        table.add_row(name, address)
    console.print()
    console.print(table)
    console.print(
        "\nTry next, in another terminal:\n"
        f"  . {folder}/env   # act as the demo's responsable\n"
        "  .venv/bin/ecluse status\n"
        "  .venv/bin/ecluse status signalements-voirie   # why it was stopped\n"
        "  .venv/bin/ecluse send subventions deploy/demo/city/subventions/data.csv\n"
        "                                                # the same again: unchanged\n"
        "  cp deploy/demo/city/subventions/data.csv \\\n"
        f"     {folder}/store/drop/finances/subventions/\n"
        "                                                # dropped, as a référent does\n"
        "  .venv/bin/ecluse reconcile --deep             # does everything add up?\n"
        "\nCtrl-C stops everything that this command started.",
        highlight=False,
        markup=False,
    )
