"""People who asked to be removed: known by keyed digests alone, and in no later release."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ecluse import cli, operator_commands
from services.anonymize.anonymize_table import anonymize_table
from services.anonymize.recode_beside import Before
from services.anonymize.removals import Removals, add_removals, read_removals
from shared.card import Card
from shared.failures import Quarantined
from shared.settings import Settings
from shared.storage import Store, keep_days, open_store

MakeCard = Callable[..., Card]
RULES = {"age": "keep", "aide": "keep", "dossier": "drop"}
POLICY: dict[str, Any] = {
    "quasi_identifiers": ["age"], "k": 5, "l": 2, "suppression": 30, "unit": "dossier",
    "hierarchies": {"age": {"ranges": [10, 20]}},
}  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    told = {"store": str(tmp_path / "store"), "pseudonym_secret": "s" * 32}
    return Settings.model_validate(told)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings, "anonymize")


def source(folder: Path) -> Path:
    table = pa.table(
        {
            "age": [35] * 20 + [55] * 20,
            "aide": ["RSA", "APL"] * 20,
            "dossier": [f"D{n}" for n in range(40)],
        }
    )
    pq.write_table(table, folder / "in.parquet")
    return folder / "in.parquet"


async def test_case_56_a_person_on_the_list(
    make_card: MakeCard, settings: Settings, store: Store, tmp_path: Path
) -> None:
    """She is in no later release, and no difference with an earlier one shows her; the list holds no
    identifier, and the card's count makes a release of its own."""
    card = make_card(RULES, "people", **POLICY)
    table = source(tmp_path)
    first = anonymize_table(table, card, tmp_path / "1.parquet")
    assert first.exposure is not None
    assert await read_removals(store, settings, card) is None
    # Spelled another way, she is the same; twice on the list, she is one.
    assert await add_removals(store, settings, card.dataset, ["D7", " D7\u200b"]) == 1
    listed = [one.key async for one in store.list("reports")]
    assert len(listed) == 1
    assert "D7" not in listed[0]
    removed = await read_removals(store, settings, card)
    assert removed is not None
    assert removed.of(pa.array(["D6", "D7", None])).to_pylist() == [False, True, False]
    before = Before((first.exposure,))
    second = anonymize_table(table, card, tmp_path / "2.parquet", None, before, removed)
    assert second.rows == 35
    protection: Any = second.report["protection"]
    assert (protection["cost"]["rows_removed"], protection["cost"]["rows_held_back"]) == (1, 4)
    counted = make_card(RULES, "people", **POLICY, removals=1)
    assert counted.shaping_digest() != card.shaping_digest()
    assert await read_removals(store, settings, counted) == removed


def test_the_list_does_not_expire(settings: Settings) -> None:
    """Nobody comes back because a retention is over."""
    assert "reports" not in keep_days(settings)


def test_the_command(settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Identifiers on standard input, one a line; it says how many there are now, and none of them."""
    monkeypatch.setattr(operator_commands, "settings", lambda: settings)
    asked = CliRunner().invoke(cli.app, ["remove", "arbres", "--json"], input="D7\n\n D8\n")
    assert (asked.exit_code, json.loads(asked.stdout)) == (0, {"dataset": "arbres", "removals": 2})
    plain = CliRunner().invoke(cli.app, ["remove", "arbres"], input="D7\n")
    assert "2 people on the list; write `removals: 2`" in plain.output
    assert "D7" not in plain.output + asked.output


async def test_the_list_is_never_worked_around(
    make_card: MakeCard, settings: Settings, store: Store, tmp_path: Path
) -> None:
    """A list shorter than the card says, no column that names a person, no key, rows that are no
    people: nothing leaves."""

    async def code(card: Card, chosen: Settings = settings) -> str:
        with pytest.raises(Quarantined) as failure:
            await read_removals(store, chosen, card)
        return failure.value.reasons[0].code

    assert await code(make_card(RULES, "people", **POLICY, removals=1)) == "removals_missing"
    await add_removals(store, settings, "arbres", ["D7"])
    assert await code(make_card(RULES, "people", **(POLICY | {"unit": None}))) == (
        "removal_without_unit"
    )
    keyless = settings.model_copy(update={"pseudonym_secret": Settings().pseudonym_secret})
    assert await code(make_card(RULES, "people", **POLICY), keyless) == "pseudonym_key_missing"
    card = make_card(RULES, "none")
    with pytest.raises(Quarantined) as failure:
        anonymize_table(
            source(tmp_path), card, tmp_path / "o.parquet", None, Before(),
            Removals(b"k", frozenset("a")),
        )  # fmt: skip
    assert failure.value.reasons[0].code == "removal_without_unit"
