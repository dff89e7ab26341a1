"""The Java client of docs/sending.md works as it is copied. `make test-java` runs this."""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from pathlib import Path

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
