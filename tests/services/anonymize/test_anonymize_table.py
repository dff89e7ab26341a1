"""From an ingested table to a safe one, or to none."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anonymize.anonymize_table import anonymize_table
from services.anonymize.report_text import report_text
from services.anonymize.scan_table import ColumnScan
from shared.card import Card
from shared.failures import Quarantined

MakeCard = Callable[..., Card]
Write = Callable[..., Path]
CANARY = "canari-7f3a"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.parquet"


def quarantined(table: Path, card: Card, out: Path) -> Quarantined:
    """The failure, after which nothing may be left behind."""
    with pytest.raises(Quarantined) as failure:
        anonymize_table(table, card, out)
    assert not out.exists()
    return failure.value


EVERY_TYPE: dict[str, pa.Array] = {
    "texte": pa.array(["chêne", None, "tilleul"]),
    "entier": pa.array([1, None, 3], pa.int64()),
    "nombre": pa.array([1.5, None, math.nan], pa.float64()),
    "vrai": pa.array([True, None, False]),
    "jour": pa.array([dt.date(2026, 3, 1), None, dt.date(1956, 1, 1)], pa.date32()),
    "instant": pa.array([dt.datetime(2026, 3, 1, 8), None, None], pa.timestamp("us")),
    "heure": pa.array([dt.time(8, 30), None, None], pa.time32("ms")),
    "a.b": pa.array(["x", "y", "z"]),
    "vide": pa.array([None, None, None], pa.string()),
}


def test_kept_columns_pass_unchanged(make_card: MakeCard, write: Write, out: Path) -> None:
    """What is kept comes out as it went in: order, types, values, nulls."""
    card = make_card(dict.fromkeys(EVERY_TYPE, "keep") | {"vrai": "drop"})
    made = anonymize_table(write(EVERY_TYPE), card, out)
    written = pq.read_table(out)
    assert written.column_names == [name for name in EVERY_TYPE if name != "vrai"]
    for name in written.column_names:
        assert written[name].type == EVERY_TYPE[name].type
        assert str(written[name].to_pylist()) == str(EVERY_TYPE[name].to_pylist())
    assert made.columns == (
        ("texte", "string"),
        ("entier", "integer"),
        ("nombre", "number"),
        ("jour", "date"),
        ("instant", "datetime"),
        ("heure", "time"),
        ("a.b", "string"),
        ("vide", "string"),
    )
    assert made.rows == 3
    assert made.findings == 0
    assert made.bytes == out.stat().st_size
    assert made.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()


def test_the_result_survives_pickle_and_json(make_card: MakeCard, write: Write, out: Path) -> None:
    """A worker process hands the result back, and the report goes to the store as JSON."""
    made = anonymize_table(write({"a": ["x"]}), make_card({"a": "keep"}), out)
    assert pickle.loads(pickle.dumps(made)) == made
    assert json.loads(json.dumps(made.report)) == made.report


def test_dropped_columns_leave_no_trace(make_card: MakeCard, write: Write, out: Path) -> None:
    """No value of a dropped column is in the file, in its metadata, or in the report."""
    names = [f"{CANARY}-{n}" for n in range(500)]
    table = write(
        {"id": list(range(500)), "agent": names, "id.agent": names},
        metadata={"pandas": CANARY, "note": CANARY},
    )
    card = make_card({"id": "keep", "agent": "drop", "id.agent": {"drop": "private_life"}})
    made = anonymize_table(table, card, out)
    content = out.read_bytes()
    assert CANARY.encode() not in content
    assert b"pandas" not in content
    assert CANARY not in json.dumps(made.report)
    assert CANARY not in report_text(made.report, "fr") + report_text(made.report, "en")
    metadata = pq.read_metadata(out)
    assert metadata.metadata is None
    assert pq.read_schema(out).metadata is None
    assert [metadata.schema.column(n).path for n in range(metadata.num_columns)] == ["id"]


def test_values_behind_the_table_do_not_come_along(
    make_card: MakeCard, tmp_path: Path, out: Path
) -> None:
    """A slice of a longer array is written without the values that it hides."""
    hidden = pa.array(["visible", *[f"{CANARY}-{n}" for n in range(100)]])
    pq.write_table(pa.table({"a": hidden}).slice(0, 1), tmp_path / "in.parquet")
    anonymize_table(tmp_path / "in.parquet", make_card({"a": "keep"}), out)
    assert CANARY.encode() not in out.read_bytes()


def test_wide_and_narrow_types_are_written_as_one(
    make_card: MakeCard, write: Write, out: Path
) -> None:
    """Another width of the same type is written as the one type that a table of ours has."""
    table = write(
        {"a": pa.array(["x"], pa.large_string()), "b": pa.array([1], pa.int16()),
         "c": pa.array([1.5], pa.float32())}
    )  # fmt: skip
    anonymize_table(table, make_card(dict.fromkeys("abc", "keep")), out)
    assert pq.read_schema(out).types == [pa.string(), pa.int64(), pa.float64()]


def test_two_runs_give_the_same_bytes(make_card: MakeCard, write: Write, tmp_path: Path) -> None:
    """The same table under the same card is the same file, on another day and under another name."""
    table = write(EVERY_TYPE)
    card = make_card(dict.fromkeys(EVERY_TYPE, "keep"))
    first = anonymize_table(table, card, tmp_path / "1.parquet")
    second = anonymize_table(table, card, tmp_path / "2.parquet")
    assert first == second
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("écrire à nom@exemple.fr", "finding_email"),
        ("06 12 34 56 78", "finding_phone"),
        ("2 95 10 99 126 111 93", "finding_nir"),
    ],
)
def test_one_cell_in_a_hundred_thousand_stops(
    value: str, code: str, make_card: MakeCard, write: Write, out: Path
) -> None:
    """One finding anywhere stops the release and says where, never what."""
    cells = ["rien à signaler"] * 100_000
    cells[98_765] = value
    failure = quarantined(write({"note": cells}), make_card({"note": "keep"}), out)
    (reason,) = failure.reasons
    assert (reason.code, reason.column, reason.count, reason.line) == (code, "note", 1, 98_767)
    assert value not in repr(failure) + repr(failure.reasons) + str(reason.text("fr"))


def test_a_personal_header_stops(make_card: MakeCard, write: Write, out: Path) -> None:
    """A column named for a personal datum stops, even when its cells look clean."""
    failure = quarantined(write({"Prénom": ["x"]}), make_card({"Prénom": "keep"}), out)
    assert [(one.code, one.column) for one in failure.reasons] == [("header_personal", "Prénom")]


def test_every_column_s_findings_are_told(make_card: MakeCard, write: Write, out: Path) -> None:
    """One run names every column that stops it, and every kind of finding there."""
    table = write({"a": ["x@y.fr", "0612345678"], "b": ["0712345678", None], "c": ["x", "y"]})
    failure = quarantined(table, make_card(dict.fromkeys("abc", "keep")), out)
    assert [(one.code, one.column, one.line) for one in failure.reasons] == [
        ("finding_email", "a", 2),
        ("finding_phone", "a", 3),
        ("finding_phone", "b", 2),
    ]


def test_findings_in_dropped_columns_are_no_matter(
    make_card: MakeCard, write: Write, out: Path
) -> None:
    """What does not leave need not be clean."""
    made = anonymize_table(
        write({"id": [1], "mail": ["x@y.fr"]}), make_card({"id": "keep", "mail": "drop"}), out
    )
    assert made.findings == 0


def test_accepted_findings_pass_and_are_reported(
    make_card: MakeCard, write: Write, out: Path
) -> None:
    """A school's telephone passes once declared; the report counts its cells."""
    card = make_card(
        {
            "ecole": "keep",
            "telephone": "keep",
            "maire": {"keep": {"basis": "CRPA art. D. 312-1-3"}},
        },
        accepted_findings=[
            {"column": "telephone", "detector": "phone", "reason": "standard de l'école"}
        ],
    )
    table = write(
        {"ecole": ["A", "B"], "telephone": ["0472103030", None], "maire": ["m@ville.fr", "x"]}
    )
    made = anonymize_table(table, card, out)
    assert made.findings == 2
    assert made.report["accepted"] == [
        {
            "column": "telephone",
            "detector": "phone",
            "cells": 1,
            "line": 2,
            "by": "declared",
            "reason": "standard de l'école",
        },
        {
            "column": "maire",
            "detector": "email",
            "cells": 1,
            "line": 2,
            "by": "basis",
            "reason": "CRPA art. D. 312-1-3",
        },
    ]


def test_a_table_without_rows_stops(make_card: MakeCard, write: Write, out: Path) -> None:
    """A header alone is no table to publish."""
    table = write({"a": pa.array([], pa.string())})
    assert quarantined(table, make_card({"a": "keep"}), out).reasons[0].code == "no_rows"


def test_bytes_that_are_no_text_stop(make_card: MakeCard, tmp_path: Path, out: Path) -> None:
    """A cell whose bytes are not UTF-8 cannot be scanned, so it does not leave."""
    column = pa.array([b"bien", b"nom\xff@exemple.fr"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"a": column}), tmp_path / "in.parquet")
    failure = quarantined(tmp_path / "in.parquet", make_card({"a": "keep"}), out)
    (reason,) = failure.reasons
    assert (reason.code, reason.column, reason.line) == ("cell_unreadable", "a", 3)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([{"mail": "x@y.fr"}]),
        pa.array([["x@y.fr"]]),
        pa.array([b"x@y.fr"], pa.binary()),
        pa.array(["x@y.fr"]).dictionary_encode(),
    ],
    ids=["struct", "list", "binary", "dictionary"],
)
def test_types_that_no_scan_looks_into_stop(
    column: pa.Array, make_card: MakeCard, write: Write, out: Path
) -> None:
    """A column that could hide text from the scan does not leave."""
    failure = quarantined(write({"a": column}), make_card({"a": "keep"}), out)
    assert [(one.code, one.column) for one in failure.reasons] == [("type_unscannable", "a")]


def test_a_defect_in_a_detector_stops(
    make_card: MakeCard, write: Write, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a detector fails, nothing passes, and its error's text, which may quote a cell, is gone."""

    def broken(*_: object) -> None:
        raise ValueError(f"cannot read {CANARY}")

    monkeypatch.setattr(ColumnScan, "see", broken)
    failure = quarantined(write({"a": [CANARY]}), make_card({"a": "keep"}), out)
    (reason,) = failure.reasons
    assert (reason.code, reason.detail) == ("scan_failed", "ValueError")
    assert CANARY not in repr(failure)
    assert failure.__suppress_context__


def test_a_file_that_is_no_parquet_stops(make_card: MakeCard, tmp_path: Path, out: Path) -> None:
    """Bytes that are no table stop as well, without a word of them."""
    (tmp_path / "in.parquet").write_bytes(CANARY.encode())
    failure = quarantined(tmp_path / "in.parquet", make_card({"a": "keep"}), out)
    assert [(one.code, one.detail) for one in failure.reasons] == [("scan_failed", "ArrowInvalid")]


names = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)
    | st.sampled_from(["a", "a.b", "a.b.c", "b", "B", "é"]),
    min_size=1,
    max_size=6,
    unique=True,
)


@given(names, st.data())
def test_nothing_leaves_that_is_not_kept(given_names: list[str], data: st.DataObject) -> None:
    """Whatever the columns and the policy, only columns that it keeps are in the file."""
    rules = {
        name: data.draw(st.sampled_from(["keep", "drop"]))
        for name in data.draw(st.permutations(given_names))
        if data.draw(st.integers(0, 9))
    } or {"a": "keep"}
    values: dict[str, list[Any]] = {
        name: [f"{'keep' if rules.get(name) == 'keep' else CANARY} {n}"] * 3
        for n, name in enumerate(given_names)
    }
    card = Card.model_validate(
        {
            "dataset": "arbres",
            "domain": "espaces-verts",
            "title": "Arbres",
            "description": "Arbres suivis par la ville.",
            "subject": "none",
            "privacy": {"columns": rules},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        table, out = Path(folder) / "in.parquet", Path(folder) / "out.parquet"
        pq.write_table(pa.table(values), table)
        try:
            made = anonymize_table(table, card, out)
        except Quarantined as stopped:
            codes = {reason.code for reason in stopped.reasons}
            made = None
        if made is None:
            assert not out.exists()
            expected = {"columns_collide", "nothing_kept", "header_personal"}
            if set(rules) != set(given_names):
                expected |= {"column_undeclared", "column_gone"}
            assert codes <= expected
            return
        written = pq.read_table(out)
        assert set(rules) == set(given_names)
        assert written.column_names == [name for name in given_names if rules[name] == "keep"]
        assert [name for name, _ in made.columns] == written.column_names
        assert CANARY.encode() not in out.read_bytes()
        assert CANARY not in str(written.to_pydict())
