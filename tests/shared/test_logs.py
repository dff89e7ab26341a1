"""Logs are JSON lines that quote nothing."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from shared.logs import configure, failure_place, logger

SECRET = "canari-7431"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a configured process writes."""
    written = io.StringIO()
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", written)
    configure("ingest")
    yield written
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def read(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_line_is_json_with_service_and_bound_names(lines: io.StringIO) -> None:
    """What is bound once is on every line of a message."""
    with structlog.contextvars.bound_contextvars(topic="dataset.changed", offset=7):
        logger().info("handled", outcome="done")
    [line] = read(lines)
    assert line["service"] == "ingest"
    assert (line["event"], line["topic"], line["offset"]) == ("handled", "dataset.changed", 7)
    assert line["at"].endswith("Z")


def test_an_exception_is_a_class_and_a_place(lines: io.StringIO) -> None:
    """Its text, which may quote a cell, is not written; neither by us nor by a library."""
    try:
        int(SECRET)
    except ValueError:
        logger().error("defect", exc_info=True)
        logging.getLogger("somebody").exception("it failed")
    first, second = read(lines)
    assert "ValueError at" in first["failure"]
    assert "ValueError at" in second["failure"]
    assert SECRET not in lines.getvalue()


def test_what_a_library_fills_in_is_left_out(lines: io.StringIO) -> None:
    """A library's warning keeps its words and loses its arguments."""
    logging.getLogger("aiokafka.consumer.fetcher").warning("cannot read %s", SECRET)
    [line] = read(lines)
    assert line["event"] == "cannot read %s"


def test_a_failures_place() -> None:
    """File and line, no text."""
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        said = failure_place(error)
    assert said.startswith("ValueError at shared/test_logs.py:")
    assert SECRET not in said
