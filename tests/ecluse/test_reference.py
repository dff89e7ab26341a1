"""The reference pages say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecluse.reference import pages, write
from shared.events import EVENTS, DeadLetter
from shared.settings import Settings
from shared.topics import TOPICS

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


def test_every_page_is_fresh() -> None:
    """Each page is what the code gives now; otherwise: `make reference`."""
    wanted = pages()
    found = {
        path.relative_to(FOLDER).as_posix(): path.read_text(encoding="utf-8")
        for path in FOLDER.rglob("*")
        if path.is_file()
    }
    assert sorted(found) == sorted(wanted)
    for name, text in wanted.items():
        assert found[name] == text, f"{name} is stale: make reference"


def test_nothing_of_this_machine_is_in_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages do not depend on the environment they are made in."""
    before = pages()
    monkeypatch.setenv("ECLUSE_CITY", "Elsewhere")
    monkeypatch.setenv("ECLUSE_KAFKA", "broker.example:9092")
    assert pages() == before


@pytest.mark.parametrize("model", EVENTS, ids=lambda model: model.__name__)
def test_every_event_and_field_is_described(model: type) -> None:
    """A reader finds each event, and each of its fields with a meaning."""
    page = pages()["events.md"]
    [section] = [one for one in page.split("\n## ") if one.startswith(f"{model.__name__}\n")]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert len(rows) == len(model.model_fields)  # type: ignore[attr-defined]
    assert all(line.split("|")[4].strip() for line in rows)


def test_every_topic_and_setting_is_there() -> None:
    """A reader finds each topic and each setting, with what it is for."""
    told = pages()
    for topic in TOPICS:
        assert f"`{topic.model.TOPIC}`" in told["topics.md"]
    for name, field in Settings.model_fields.items():
        assert f"`ECLUSE_{name.upper()}`" in told["settings.md"]
        assert field.description, name
    assert {topic.model for topic in TOPICS} | {DeadLetter} == set(EVENTS)


def test_pages_that_are_no_longer_made_go(tmp_path: Path) -> None:
    """Writing removes a page that the code does not make any more."""
    (tmp_path / "old.md").write_text("old")
    write(tmp_path)
    assert not (tmp_path / "old.md").exists()
    assert (tmp_path / "asyncapi" / "ingest.yaml").is_file()
