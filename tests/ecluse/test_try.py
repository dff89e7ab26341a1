"""`ecluse try`: every dataset of the sample city, bad calls, and what is never overwritten or shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from ecluse import try_card as module
from ecluse.cli import app
from shared.settings import settings
from tests.schema_catalogue import Catalogue, running

CITY = Path(__file__).parents[2] / "deploy" / "demo" / "city"
# The smaller ones: a trial's way is the same for thousands of rows.
SMALL = ("arrondissements", "departements", "stationnement-velos", "subventions")
SECRET = "canari-9157"
CARD = """
dataset: bancs
domain: espaces-verts
title: {{fr: "Bancs [rouge] [/b]"}}
description: {{fr: Les bancs de la ville.}}
subject: none
source: {{format: csv}}
schema: {{fields: [{{name: id}}, {{name: "[places]", type: integer}}{more}]}}
privacy:
  columns: {{id: keep, "[places]": keep{policy}}}
  decided: {{by: responsable open data, date: 2026-03-01, until: 2031-03-01}}
"""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    with running() as there:
        yield there


@pytest.fixture
def bancs(tmp_path: Path) -> Path:
    """A small card, its data beside it."""
    folder = tmp_path / "bancs"
    folder.mkdir()
    (folder / "card.yaml").write_text(CARD.format(more="", policy=""), encoding="utf-8")
    (folder / "data.csv").write_text("id;[places]\nB1;3\nB2;\n", encoding="utf-8")
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["try", *(str(one) for one in arguments)])


def tried(folder: Path, out: Path, *more: str, file: str = "data.csv") -> Result:
    return run(folder / "card.yaml", folder / file, "--out", out, *more)


@pytest.mark.parametrize("name", SMALL)
def test_the_sample_city(tmp_path: Path, name: str) -> None:
    """Publishable, with exactly the promised keys, and files that are what is said of them."""
    data = next((CITY / name).glob("data.*"))
    result = run(CITY / name / "card.yaml", data, "--out", tmp_path, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert list(told) == ["outcome", "reasons", "rows", "columns", "files", "not_checked"]
    assert told["not_checked"] == ["earlier_releases", "linked_datasets", "approval"]
    assert told["rows"] > 0
    for column in told["columns"]:
        assert list(column) == ["name", "type"]
    assert [file["format"] for file in told["files"]] == ["csv", "json", "parquet", "xlsx"]
    for file in told["files"]:
        assert list(file) == ["format", "path", "bytes", "sha256", "rows"]
        content = Path(file["path"]).read_bytes()
        assert (file["bytes"], file["rows"]) == (len(content), told["rows"])
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == told
    assert {path.name for path in tmp_path.iterdir()} == {
        *(f"{name}.{form}" for form in ("csv", "json", "parquet", "xlsx")),
        *module.WRITTEN,
    }


def test_texts_with_brackets(bancs: Path, tmp_path: Path) -> None:
    """Titles and columns are printed as they were written: brackets are no markup."""
    result = tried(bancs, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "Bancs [rouge] [/b]" in result.output
    assert "[places]" in result.output
    (bancs / "data.csv").write_text("id;[places]\nB1;trois\n", encoding="utf-8")
    result = tried(bancs, tmp_path / "out")
    assert result.exit_code == 3
    assert "[places]" in result.output


@pytest.mark.parametrize(
    ("header", "cell", "code"),
    [
        ("id;[places]", f"{SECRET};trois", "type_mismatch"),
        (f"id;[places];{SECRET}", f"B1;3;{SECRET}", "column_undeclared"),
        ("id;[places]", f"{SECRET}@ville.example;3", "finding_email"),
        ("id;[places]", f"{SECRET};3;{SECRET}", "row_width"),
        (f"id;{SECRET}", f"{SECRET};3", "column_missing"),
        ("id;[places]", f'"{SECRET};3', "quote_unclosed"),
        ("id;[places]", f"{SECRET}\x00;3", "format_mismatch"),
    ],
)
def test_nothing_of_a_stopped_file_is_shown(
    bancs: Path, tmp_path: Path, header: str, cell: str, code: str
) -> None:
    """Neither on screen, nor in JSON, nor in a report, whichever stage stops it; no data are left."""
    (bancs / "data.csv").write_text(f"{header}\n{cell}\n", encoding="utf-8")
    out = tmp_path / "out"
    for more in ([], ["--json"]):
        result = tried(bancs, out, *more)
        assert result.exit_code == 3, result.output
        assert SECRET not in result.output
    told = json.loads(result.stdout)
    assert (told["outcome"], told["files"]) == ("quarantined", [])
    for reason in told["reasons"]:
        assert list(reason) == ["code", "stage", "column", "line", "message"]
        assert reason["message"]
    assert code in {reason["code"] for reason in told["reasons"]}
    for path in out.rglob("*"):
        assert SECRET.encode() not in path.read_bytes()
        assert path.name in module.WRITTEN


def test_dropped_columns_leave_no_trace(bancs: Path, tmp_path: Path) -> None:
    """A column that the policy drops is in no file and no report."""
    card = CARD.format(more=", {name: agent}", policy=", agent: {drop: personal_data}")
    (bancs / "card.yaml").write_text(card, encoding="utf-8")
    (bancs / "data.csv").write_text(f"id;[places];agent\nB1;3;{SECRET}\n", encoding="utf-8")
    result = tried(bancs, tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    assert [one["name"] for one in json.loads(result.stdout)["columns"]] == ["id", "[places]"]
    for path in (tmp_path / "out").iterdir():
        assert SECRET.encode() not in path.read_bytes()


def test_an_earlier_trial_leaves_nothing(bancs: Path, tmp_path: Path) -> None:
    """A stopped trial takes away the files that an earlier one found publishable; others stay."""
    out = tmp_path / "out"
    assert tried(bancs, out).exit_code == 0
    (out / "notes.txt").write_text("mine")
    (bancs / "data.csv").write_text("id;[places]\nB1;trois\n", encoding="utf-8")
    assert tried(bancs, out).exit_code == 3
    left = {path.name for path in out.iterdir()}
    assert left == {"notes.txt", "report.json", "quality.json"}


@pytest.mark.parametrize("name", ["bancs.csv", "report.json"])
def test_the_input_is_not_overwritten(bancs: Path, name: str) -> None:
    """A trial whose folder holds its own input under a name that it writes is a bad call."""
    content = (bancs / "data.csv").read_bytes()
    (bancs / name).write_bytes(content)
    result = tried(bancs, bancs, "--json", file=name)
    assert result.exit_code == 2
    assert "--out" in json.loads(result.stdout)["error"]
    assert (bancs / name).read_bytes() == content


def test_a_folder_that_is_none(bancs: Path) -> None:
    """--out naming a file is a bad call, said in plain words."""
    result = tried(bancs, bancs / "data.csv", "--json")
    assert result.exit_code == 2
    assert "--out" in json.loads(result.stdout)["error"]


@pytest.mark.parametrize("missing", ["card.yaml", "data.csv"])
def test_a_file_that_is_not_there(bancs: Path, tmp_path: Path, missing: str) -> None:
    """Exit 2 and one JSON object, for the card as for the data."""
    (bancs / missing).unlink()
    result = tried(bancs, tmp_path / "out", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "dataset: [", "a: &a [*a]", "dataset: 1", "\x00", "dataset: x\ndataset: y"]
)
def test_cards_that_are_none(bancs: Path, tmp_path: Path, text: str) -> None:
    """Exit 2, with where and what to mend; in plain text too."""
    (bancs / "card.yaml").write_text(text)
    result = tried(bancs, tmp_path / "out", "--json")
    assert result.exit_code == 2, result.output
    for problem in json.loads(result.stdout)["problems"]:
        assert problem["field"]
        assert problem["message"]
    plain = tried(bancs, tmp_path / "out")
    assert (plain.exit_code, "Traceback" in plain.output) == (2, False)


def test_a_defect_of_ours(bancs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 1, with the place of the defect and never the library's text, which may quote a cell."""

    def broken(*_: Any) -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr(module, "convert_table", broken)
    for more in ([], ["--json"]):
        result = tried(bancs, tmp_path / "out", *more)
        assert result.exit_code == 1
        assert SECRET not in result.output
        assert "ValueError at" in " ".join(result.output.split())
    assert json.loads(result.stdout)["error"]


def test_the_chosen_language(bancs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """French by default, English when asked for."""
    (bancs / "data.csv").write_text("id;[places]\nB1;trois\n", encoding="utf-8")
    assert "Arrêté" in tried(bancs, tmp_path / "out").output
    monkeypatch.setenv("ECLUSE_LANGUAGE", "en")
    settings.cache_clear()
    assert "Stopped" in tried(bancs, tmp_path / "out").output


def test_what_is_to_know(bancs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the file was read, what was left out of it, and what could be made of it."""
    monkeypatch.setenv("ECLUSE_LANGUAGE", "en")
    settings.cache_clear()
    card = CARD.format(
        more=", {name: ville}, {name: lon, type: number}, {name: lat, type: number}",
        policy=", ville: keep, lon: keep, lat: keep",
    )
    (bancs / "card.yaml").write_text(card, encoding="utf-8")
    text = "id;[places];ville;lon;lat\nB1;3;Lyon;4.8;45.7\nB2;4;Bron;4.9;45.7\nTotal;7;;;\n"
    (bancs / "data.csv").write_text(text, encoding="utf-8")
    said = " ".join(tried(bancs, tmp_path / "out").output.split())
    assert "Read as: CSV" in said
    assert "The line of totals below the table was left out." in said
    assert "can be added (derive) by column no. 3." in said
    assert "Columns no. 4 and 5 hold longitude and latitude" in said


def test_a_draft_is_written_when_asked_for(bancs: Path, tmp_path: Path) -> None:
    """With --propose the folder has a policy's draft, also for columns that no card names yet."""
    (bancs / "data.csv").write_text("id;[places];age\nB1;3;30\nB2;4;30\n", encoding="utf-8")
    assert tried(bancs, tmp_path / "out").exit_code == 3
    assert not (tmp_path / "out" / "proposal.yaml").exists()
    assert tried(bancs, tmp_path / "out", "--propose").exit_code == 3
    draft = (tmp_path / "out" / "proposal.yaml").read_text(encoding="utf-8")
    assert '"age": keep' in draft
    assert "quasi_identifiers" in draft
    assert tried(bancs, tmp_path / "out").exit_code == 3
    assert not (tmp_path / "out" / "proposal.yaml").exists()


UNDECIDED = CARD.split("schema:", maxsplit=1)[0].format(more="", policy="")
SCHEMA = 'schema: {fields: [{name: id}, {name: "[places]", type: integer}]}\n'
DERIVE = "derive: [{column: ville, by: name, within: '69', add: [code_insee]}]\n"


@pytest.mark.parametrize(
    ("more", "header", "drafted"),
    [
        ("", "id;[places];ville", {"id", "[places]", "ville"}),
        (SCHEMA, "id;[places]", {"id", "[places]"}),
        (DERIVE, "id;[places];ville", {"id", "[places]", "ville", "code_insee"}),
        ("privacy: {columns: {}}\n", "id;[places]", {"id", "[places]"}),
    ],
    ids=["the file's columns", "the schema's", "derived ones too", "an empty policy"],
)
def test_a_card_without_policy_gets_its_draft(
    more: str, header: str, drafted: set[str], bancs: Path, tmp_path: Path
) -> None:
    """It is read, and nothing more: no file comes out until somebody has decided."""
    (bancs / "card.yaml").write_text(UNDECIDED + more, encoding="utf-8")
    rows = ["B1;3;Bron", "B2;4;Lyon"]
    width = header.count(";") + 1
    lines = [header, *(";".join(row.split(";")[:width]) for row in rows)]
    (bancs / "data.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    refused = tried(bancs, tmp_path / "out")
    assert refused.exit_code == 2
    assert "`ecluse try --propose` drafts a policy." in " ".join(refused.output.split())
    said = tried(bancs, tmp_path / "out", "--propose", "--json")
    assert said.exit_code == 3
    told = json.loads(said.output)
    assert [reason["code"] for reason in told["reasons"]] == ["policy_missing"]
    assert told["files"] == []
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"proposal.yaml", "quality.json", "report.json"}
    draft = YAML(typ="safe").load((tmp_path / "out" / "proposal.yaml").read_text(encoding="utf-8"))
    assert set(draft["privacy"]["columns"]) == drafted
    # What was drafted can be copied as it is.
    (bancs / "card.yaml").write_text(
        UNDECIDED + more.replace("privacy: {columns: {}}\n", "")
        + (tmp_path / "out" / "proposal.yaml").read_text(encoding="utf-8"),
        encoding="utf-8",
    )  # fmt: skip
    assert tried(bancs, tmp_path / "out").exit_code == 0


def test_a_file_that_cannot_be_read_has_no_draft(bancs: Path, tmp_path: Path) -> None:
    (bancs / "card.yaml").write_text(UNDECIDED, encoding="utf-8")
    (bancs / "data.csv").write_bytes(b"")
    told = json.loads(tried(bancs, tmp_path / "out", "--propose", "--json").output)
    assert [reason["code"] for reason in told["reasons"]] == ["no_rows"]
    assert not (tmp_path / "out" / "proposal.yaml").exists()


NAMED = "schema: {{name: etalab/schema-bancs, version: 1.2.0}}"


def test_a_schema_by_name(
    bancs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalogue: Catalogue
) -> None:
    """Fetched as ingest does, and kept: the second trial needs no network."""
    text = (bancs / "card.yaml").read_text(encoding="utf-8").replace("[places]", "places")
    lines = [NAMED.format() if line.startswith("schema:") else line for line in text.splitlines()]
    (bancs / "card.yaml").write_text("\n".join(lines), encoding="utf-8")
    (bancs / "data.csv").write_text("id;places\nB1;2020\nB2;x\n", encoding="utf-8")
    monkeypatch.setenv("ECLUSE_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("ECLUSE_ALLOW_PRIVATE_ADDRESSES", "true")
    monkeypatch.setenv("ECLUSE_SCHEMA_CATALOGUE", "http://127.0.0.1:9/schemas.json")

    def codes() -> list[str]:
        settings.cache_clear()
        answer = tried(bancs, tmp_path / "out", "--json")
        assert answer.exit_code == 3
        return [one["code"] for one in json.loads(answer.output)["reasons"]]

    assert codes() == ["schema_away"]
    monkeypatch.setenv("ECLUSE_SCHEMA_CATALOGUE", f"{catalogue.address}/schemas.json")
    assert codes() == ["type_mismatch"]
    monkeypatch.setenv("ECLUSE_SCHEMA_CATALOGUE", "http://127.0.0.1:9/schemas.json")
    assert codes() == ["type_mismatch"]
    assert len(catalogue.asked) == 2


def test_a_stopped_file_has_its_whole_report(
    bancs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How it was read, every column's profile, all reasons with their counts; no value."""
    monkeypatch.setenv("ECLUSE_LANGUAGE", "en")
    text = f"id;[places]\nB1;3\n{SECRET};{SECRET}\nB3;{SECRET}\nTotal;7\n"
    (bancs / "data.csv").write_text(text, encoding="utf-8")
    said = tried(bancs, tmp_path / "out").output
    assert "Read as: CSV. Rows: 3" in " ".join(said.split())
    assert "The line of totals below the table was left out." in " ".join(said.split())
    written = (tmp_path / "out" / "quality.json").read_text(encoding="utf-8")
    told = json.loads(written)
    assert [(one["code"], one["line"], one["count"], one["found"]) for one in told["reasons"]] == [
        ("type_mismatch", 3, 2, "text"),
        ("type_mismatch", 4, 2, "text"),
    ]
    assert [one["code"] for one in told["warnings"]] == ["totals_left_out"]
    assert [(one["name"], one["type"]) for one in told["columns"]] == [
        ("id", "string"),
        ("[places]", "integer"),
    ]
    assert SECRET not in written + said


def test_the_terminal_shows_the_report(
    bancs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every column's profile, an undeclared one without its name; how much is not shown is said."""
    monkeypatch.setenv("ECLUSE_LANGUAGE", "en")
    settings.cache_clear()
    rows = "".join(f"B{at};trois;\n" for at in range(29)) + "B29;;x\n"
    (bancs / "data.csv").write_text(f"id;[places];{SECRET}\n{rows}", encoding="utf-8")
    said = tried(bancs, tmp_path / "out").output
    lines = [line.split() for line in said.splitlines()]
    assert ["1", "id", "string", "0", "30", "2–3"] in lines
    assert ["2", "[places]", "integer", "30", "0"] in lines
    assert ["3", "(not", "declared)", "string", "29", "1", "1"] in lines
    assert "… and 9 more, in report.json." in said
    assert SECRET not in said
