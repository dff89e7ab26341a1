"""The Java clients of docs/sending.md work as they are copied. `make test-java` runs this."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from contextlib import closing
from pathlib import Path

from deploy.local.kafka import LocalKafka, class_path
from shared.envelope import decode
from shared.events import DatasetChanged
from shared.kafka_client import reader, to_end
from shared.settings import Settings
from shared.topics import create_topics
from tests.services.ingest_doors.client_desk import DATA, Desk, examples


async def test_java_sends_a_file(tmp_path: Path) -> None:
    """Compiled for Java 17; it prints where the change is followed."""
    with closing(Desk(tmp_path)) as desk:
        [example] = examples("java", "class SendFile")
        (desk.folder / "SendFile.java").write_text(desk.here(example), encoding="utf-8")
        await asyncio.to_thread(desk.run, "javac", "--release", "17", "SendFile.java")
        said = await asyncio.to_thread(desk.run, "java", "SendFile")
        assert re.fullmatch(r"\S*/changes/c[0-9a-f]{31}\n", said)
        assert await desk.dropped() == DATA


async def test_java_sends_an_event(tmp_path: Path) -> None:
    """With Apache's own client, to a real Kafka: ingest reads the event that the page tells of."""
    [example] = examples("java", "class SendChange")
    with LocalKafka(tmp_path / "kafka") as server:
        settings = Settings.model_validate({"kafka": server.bootstrap, "partitions": "2"})
        await create_topics(settings)
        here = example.replace("kafka.example:9092", server.bootstrap)
        assert here != example
        (tmp_path / "SendChange.java").write_text(here, encoding="utf-8")
        jars = os.pathsep.join((class_path(), "."))
        for argv in (["javac", "--release", "17", "-cp", jars, "SendChange.java"],
                     ["java", "-cp", jars, "SendChange"]):  # fmt: skip
            await asyncio.to_thread(
                subprocess.run, argv, cwd=tmp_path, check=True, capture_output=True
            )
        async with reader(settings, settings.topic(DatasetChanged.TOPIC)) as consumer:
            [record] = [one async for one in to_end(consumer)]
    event, came = decode(DatasetChanged, record)
    assert event.dataset == "arbres"
    assert event.address == "https://sig.example/arbres.csv"
    assert came.source == "urn:example:sig"
    assert record.key == b"arbres"
