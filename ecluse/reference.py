"""Writes `docs/reference/` from the code: settings, topics, events, metrics, reasons, AsyncAPI.

`make reference` runs it; a test fails when a page is not what the code says.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, get_args

from faststream.specification import AsyncAPI
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from ruamel.yaml import YAML

from ecluse.serve import MODULES, make_service
from shared import metrics
from shared.broker import Flow
from shared.card import Card
from shared.events import EVENTS, DatasetChanged, DeadLetter, Event
from shared.messages import catalogue
from shared.settings import Settings
from shared.strategy import Strategy
from shared.topics import TOPICS, configuration

MADE = "<!-- Made from the code by `make reference`: change the code, not this page. -->\n\n"


# What the fields say that several events share.
FIELDS = {
    "dataset": "The dataset's identifier, as its card gives it.",
    "domain": "The domain that answers for the dataset.",
    "change": "The change: SHA-256 of the event's source and id, shortened.",
    "run": "The event that asked for this pass: the change itself, or a re-run of it.",
    "sequence": "Where the change stands among its dataset's: generation and number.",
    "kind": "Update, correction or backfill; of news also first and withdrawn.",
    "card": "The card that the change runs under: digest, digest of what shapes data, revision.",
    "release": "What was made: the same source under the same card has the same release.",
    "publication": "A change's release on its way to the public: change and release together.",
    "objects": "The notification's `Records`: bucket and key of each object.",
    "rerun": "Run a change again: which one, under which card. Written by publish alone.",
    "table": "The Parquet table in the store: bucket, key, size, SHA-256.",
    "rows": "Number of rows.",
    "bytes": "Size in bytes.",
    "quality": "The quality report in the store.",
    "report": "The privacy report in the store.",
    "policy": "SHA-256 of the privacy policy applied.",
    "files": "The data files: name, format, media type, size, SHA-256, rows.",
    "datapackage": "The release's `datapackage.json`.",
    "preview": "The first rows, as the portal shows them.",
    "columns": "SHA-256 of the published columns' names and types.",
    "verdict": "Approved, refused or withdrawn.",
    "automatic": "Whether the card let it pass without a person.",
    "state": "Where it stands.",
    "at": "When, by the clock of whoever says it.",
    "published_at": "When it became public.",
    "paused": "Whether a person holds the dataset's changes.",
    "news": "The news item's identifier.",
    "title": "In French and English.",
    "body": "In French and English.",
    "stage": "Which service says it.",
    "end": "The change's one end: published, unchanged, superseded, refused, dead.",
    "attempt": "The how-manieth try.",
    "reasons": "Why: codes with places, never values. [The texts](reasons.md).",
    "seconds": "How long the work took.",
    "topic": "The topic that the original lies on.",
    "partition": "Its partition.",
    "offset": "Its offset.",
    "group": "The consumer group that could not handle it.",
}


def pages() -> dict[str, str]:
    """Every page by its path under `docs/reference/`."""
    flows = _flows()
    specifications = {
        f"asyncapi/{name}.yaml": _yaml(name, flow) for name, flow in sorted(flows.items())
    }
    return {
        "settings.md": settings_page(),
        "topics.md": topics_page(flows.values()),
        "events.md": events_page(),
        "metrics.md": metrics_page(flows["publish"]),
        "reasons.md": reasons_page(),
        "dataset-changed.schema.json": _schema(DatasetChanged),
        "card.schema.json": _schema(Card),
        "strategy.schema.json": _schema(Strategy),
        **specifications,
    }


def settings_page() -> str:
    """Every setting, its default and what it is for."""
    rows = [
        (f"`ECLUSE_{name.upper()}`", _default(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return (
        f"{MADE}# Settings\n\nRead from the environment, once, at start. Lists are JSON. "
        "A process needs only those it uses.\n\n"
        + _table(("Variable", "Default", "What it is for"), rows)
    )


def topics_page(flows: Iterable[Flow]) -> str:
    """Every topic: what it carries, who writes and who reads it, how long it keeps."""
    plain = Settings.model_validate(_defaults())
    readers: dict[str, list[str]] = {}
    for flow in flows:
        for name in flow.models:
            readers.setdefault(name, []).append(flow.stage)
    rows = []
    for topic in TOPICS:
        told = configuration(topic, plain)
        name = topic.model.TOPIC
        kept = (
            "compacted: the latest of each key"
            if topic.compacted
            else f"{int(told['retention.ms']) // 86_400_000} days"
        )
        rows.append(
            (
                f"`{name}`",
                f"[{topic.model.__name__}](events.md#{topic.model.__name__.lower()})",
                topic.written_by,
                ", ".join(sorted(readers.get(name, ["tables, portals"]))),
                kept,
                f"`{name}{DeadLetter.TOPIC}`" if topic.dead else "-",
            )
        )
    header = ("Topic", "Event", "Written by", "Read by", "Kept", "Dead letters")
    return (
        f"{MADE}# Topics\n\n`ecluse topics` creates them. `ECLUSE_PREFIX` stands before each name. "
        "The key is the dataset, so that a dataset's events keep their order. Retentions are those "
        "of the default settings.\n\n" + _table(header, rows)
    )


def events_page() -> str:
    """Every event with its fields."""
    parts = [
        f"{MADE}# Events\n\nEach is a CloudEvent 1.0, in binary or structured mode, its data JSON. "
        "The [AsyncAPI documents](asyncapi/) say the same for programs.\n"
    ]
    for model in EVENTS:
        parts.append(
            f"\n## {model.__name__}\n\n{_text(model)}\n\n"
            f"Topic `{model.TOPIC}`, type `{model.TYPE}`.\n\n"
            + _table(("Field", "Type", "Required", "What it says"), _fields(model))
        )
    return "".join(parts)


def metrics_page(flow: Flow) -> str:
    """Every metric, ours and the framework's."""
    ours = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    rows = []
    for one in ours:
        [family] = one.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append((f"`{name}`", family.type, ", ".join(one._labelnames), family.documentation))
    theirs = [
        (f"`{family.name}`", family.type, family.documentation)
        for family in flow.registry.collect()
    ]
    return (
        f"{MADE}# Metrics\n\nEach process answers `GET /metrics` on its inner port.\n\n"
        + _table(("Metric", "Type", "Labels", "What it counts"), sorted(rows))
        + "\nFrom FastStream, about messages taken and sent:\n\n"
        + _table(("Metric", "Type", "What it counts"), sorted(theirs))
    )


def reasons_page() -> str:
    """Every reason that stops or holds a change, in both languages."""
    parts = [
        f"{MADE}# Reasons\n\nWhat a person reads when something is stopped. "
        "`{words in braces}` are filled in.\n"
    ]
    for code, texts in sorted(catalogue().items()):
        parts.append(f"\n## `{code}`\n\n- {texts['fr']}\n- {texts['en']}\n")
    return "".join(parts)


def write(folder: Path) -> None:
    """Writes every page; removes what is no longer one."""
    wanted = pages()
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _flows() -> dict[str, Flow]:
    """Each service's door to Kafka, made without reaching any server."""
    with tempfile.TemporaryDirectory() as folder:
        told = _defaults() | {
            "city_secret": SecretStr("a secret that is never used"),
            "database": SecretStr("postgresql+psycopg://localhost/none"),
            "store": f"{folder}/store",
            "spool": Path(folder) / "spool",
        }
        plain = Settings.model_validate(told)
        made = {name: make_service(name, plain).flow for name in MODULES}
    return {name: flow for name, flow in made.items() if flow is not None}


def _defaults() -> dict[str, object]:
    # Not from the environment: the pages are the same wherever they are made.
    return {
        name: field.get_default(call_default_factory=True)
        for name, field in Settings.model_fields.items()
    }


def _yaml(name: str, flow: Flow) -> str:
    document = AsyncAPI(
        flow.broker,
        title=f"Écluse: {name}",
        version="1",
        description=f"What {name} reads and writes.",
    )
    plain = json.loads(document.to_specification().to_json())
    writer = YAML()
    writer.width = 100
    text = StringIO()
    writer.dump(_sorted(plain), text)
    return text.getvalue()


def _sorted(value: Any) -> Any:
    # FastStream keeps publishers in a set: their order changes from run to run.
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def _schema(model: type[BaseModel]) -> str:
    return json.dumps(model.model_json_schema(), ensure_ascii=False, indent=2) + "\n"


def _fields(model: type[Event]) -> list[tuple[str, str, str, str]]:
    return [
        (
            f"`{name}`",
            f"`{_type(field)}`",
            "yes" if field.is_required() else "no",
            field.description or FIELDS[name],
        )
        for name, field in model.model_fields.items()
    ]


def _type(field: FieldInfo) -> str:
    found = field.annotation
    parts = [one for one in get_args(found) if one is not type(None)]
    if len(parts) == 1 and type(None) in get_args(found):
        found = parts[0]
    said = getattr(found, "__name__", None) if not get_args(found) else str(found)
    return (
        (said or str(found))
        .replace("typing.", "")
        .replace("shared.events.", "")
        .replace("shared.event_parts.", "")
    )


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is PydanticUndefined:
        return "required"
    return "-" if value in ("", None, (), {}) else f"`{value}`"


def _text(model: type[Event]) -> str:
    lines = [line.strip() for line in (model.__doc__ or "").strip().splitlines()]
    return "\n".join(lines)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


if __name__ == "__main__":
    write(Path(sys.argv[1]))
