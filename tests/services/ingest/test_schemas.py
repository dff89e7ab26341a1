"""Table Schema: every type, form and rule, judged as frictionless judges them."""

from __future__ import annotations

import csv
import io
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from frictionless import Detector, Resource, Schema
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.schema_drift import drift
from services.ingest.source_to_table import ReadLimits, source_to_table
from shared.card import Card
from shared.event_parts import Drift
from shared.failures import Quarantined
from tests.services.ingest.reading import SECRET, plain, read, refusal, rows

REAL = Path(__file__).parents[4] / "shared" / "data" / "schemas"
LIMITS = ReadLimits(reasons=10_000)

# The constructs of the schemas for charging points, subsidies and car-sharing places, and the rest.
SCHEMA: dict[str, Any] = {
    "fields": [
        {"name": "id", "type": "string", "constraints": {"required": True, "unique": True}},
        {"name": "code", "type": "string", "constraints": {"pattern": "^([013-9]\\d|2[AB1-9])\\d{3}$"}},
        {"name": "genre", "type": "string", "constraints": {"enum": ["libre", "occupe", "inconnu"]}},
        {"name": "mel", "type": "string", "format": "email"},
        {"name": "site", "type": "string", "format": "uri"},
        {"name": "cle", "type": "string", "format": "uuid"},
        {"name": "texte", "type": "string", "constraints": {"minLength": 2, "maxLength": 5}},
        {"name": "position", "type": "geopoint", "format": "array"},
        {"name": "point", "type": "geopoint"},
        {"name": "lieu", "type": "geopoint", "format": "object"},
        {"name": "places", "type": "integer", "constraints": {"minimum": 0, "maximum": 10}},
        {"name": "prix", "type": "number", "constraints": {"minimum": 0.5}},
        {"name": "ouvert", "type": "boolean"},
        {"name": "mot", "type": "boolean", "trueValues": ["O"], "falseValues": ["N"]},
        {"name": "jour", "type": "date", "format": "%Y-%m-%d"},
        {"name": "francais", "type": "date", "format": "%d/%m/%Y"},
        {"name": "an", "type": "year"},
        {"name": "mois", "type": "yearmonth"},
        {"name": "objet", "type": "object"},
        {"name": "liste", "type": "array"},
        {"name": "libre", "type": "any"},
    ],
    "missingValues": ["", "nc"],
}  # fmt: skip
# Per field, cells that are right and cells that are not; both readers must agree on each.
CELLS: dict[str, list[str]] = {
    "code": ["01001", "2A004", "2C004", "1001", "69123", "nc"],
    "genre": ["libre", "occupe", "Libre", "autre", "nc"],
    "mel": ["a@ville.fr", "a.b@c.example.org", "a@", "ville.fr", "a b@c.fr"],
    "site": ["https://ville.fr/x?y=1", "ville.fr", "mailto:a@b.fr"],
    "cle": ["6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810", "x"],
    "texte": ["ab", "abcde", "a", "abcdef", "éé"],
    "position": ["[4.83, 45.75]", "[-4,45]", "[4.83]", "4.83, 45.75", "[200, 45]", "[4, 95]", "x"],
    "point": ["4.83, 45.75", "4.83;45.75", "[4.83, 45.75]", "181, 4", "4,-91", "180,90"],
    "lieu": ['{"lon": 4.83, "lat": 45.75}', '{"lon": 4.83}', "x", '{"lon": 200, "lat": 4}'],
    "places": ["0", "10", "11", "-1", "x", "3.5", "1e3"],
    "prix": ["0.5", "12.50", "0.4", "x", "-1", "1.2.3"],
    "ouvert": ["true", "false", "1", "0", "x", "2"],
    "mot": ["O", "N", "o", "true", "1"],
    "jour": ["2025-12-31", "2025-02-30", "31/12/2025", "2025", "x"],
    "francais": ["31/12/2025", "30/02/2025", "2025-12-31", "x"],
    "an": ["2025", "1900", "20256", "x"],
    "mois": ["2025-12", "2025-13", "2025", "12-2025"],
    "objet": ['{"a": 1}', "[1]", "x", "{"],
    "liste": ["[1, 2]", '{"a": 1}', "x"],
    "libre": ["x", "1", "2025-01-01"],
}


def written(cells: list[dict[str, str]], names: list[str]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    return out.getvalue()


def by_frictionless(
    text: bytes, schema: dict[str, Any], *, sync: bool = True
) -> set[tuple[int | None, str]]:
    """(line, field) of each error; line None for a field that is not there. With `sync` columns go
    by name and only required ones are missed; else by place, and all are."""
    resource = Resource(
        data=text,
        format="csv",
        encoding="utf-8",
        schema=Schema.from_descriptor(schema),
        detector=Detector(schema_sync=sync),
    )
    found = resource.validate().flatten(["rowNumber", "fieldName", "type"])
    return {(line, str(name)) for line, name, _ in found}


def by_ecluse(text: bytes, folder: Path, chosen: Card) -> set[tuple[int | None, str]]:
    source = folder / "source"
    source.write_bytes(text)
    absent: set[tuple[int | None, str]] = set()
    try:
        made = source_to_table(source, chosen, folder / "table.parquet", LIMITS)
        told = [w for w in made.quality["warnings"] if w["code"] == "column_absent"]
        return {(None, w["column"]) for w in told}
    except Quarantined as failure:
        for reason in failure.reasons:
            assert reason.column is not None
            absent.add((reason.line, reason.column))
    return absent


def under(schema: dict[str, Any]) -> Card:
    return plain(*[field["name"] for field in schema["fields"]], schema=schema)


@pytest.mark.parametrize("field", CELLS)
def test_each_field_as_frictionless_has_it(tmp_path: Path, field: str) -> None:
    """The same cells are wrong, cell by cell."""
    names = [one["name"] for one in SCHEMA["fields"]]
    cells = [{"id": str(n), field: cell} for n, cell in enumerate(CELLS[field])]
    text = written(cells, names).encode()
    theirs = by_frictionless(text, SCHEMA)
    assert by_ecluse(text, tmp_path, under(SCHEMA)) == theirs
    assert 0 < len(theirs) < len(cells) or field == "libre"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"id": st.sampled_from(["a", "b", ""])}
            | {name: st.sampled_from([*cells, ""]) for name, cells in CELLS.items()}
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whole_tables_as_frictionless_has_them(
    tmp_path_factory: pytest.TempPathFactory, cells: list[dict[str, str]]
) -> None:
    """Whatever stands in the rows, both find the same places."""
    text = written(cells, [one["name"] for one in SCHEMA["fields"]]).encode()
    theirs = by_frictionless(text, SCHEMA)
    assert by_ecluse(text, tmp_path_factory.mktemp("table"), under(SCHEMA)) == theirs


def test_keys_as_frictionless_has_them(tmp_path: Path) -> None:
    """A primary key of two columns: no pair comes twice. An empty part breaks it too, as the
    standard has it; frictionless lets that pass."""
    schema = {"fields": [{"name": "a"}, {"name": "b"}, {"name": "c"}], "primaryKey": ["a", "b"]}
    text = b"a,b,c\n1,1,x\n1,2,x\n1,1,y\n"
    theirs = {line for line, _ in by_frictionless(text, schema)}
    found = refusal(text, tmp_path, under(schema))
    assert {found["line"]} == theirs == {4}
    assert found["code"] == "key_repeated"
    half = refusal(b"a,b,c\n1,,x\n", tmp_path, under(schema))
    assert (half["code"], half["column"]) == ("value_missing", "b")


@pytest.mark.parametrize("left_out", ["id", "prix"])
def test_missing_columns_as_frictionless_has_them(tmp_path: Path, left_out: str) -> None:
    """The same fields are missed."""
    names = [one["name"] for one in SCHEMA["fields"] if one["name"] != left_out]
    text = written([{names[0]: "1"}], names).encode()
    assert by_ecluse(text, tmp_path, under(SCHEMA)) == {(None, left_out)}
    assert (None, left_out) in by_frictionless(text, SCHEMA, sync=False)


def real(name: str) -> list[tuple[bytes, dict[str, Any]]]:
    """The real schema and its examples, where they are; else that they are not is said."""
    if not REAL.is_dir():
        warnings.warn(f"the real schemas are not here, {name} was not compared", stacklevel=2)
        return []
    schema = json.loads((REAL / f"{name}.json").read_text(encoding="utf-8"))
    return [(path.read_bytes(), schema) for path in sorted(REAL.glob(f"{name}*.csv"))]


@pytest.mark.parametrize("name", ["irve-statique", "irve-dynamique", "lieux-covoiturage"])
def test_real_schemas(tmp_path: Path, name: str) -> None:
    """Charging points and car-sharing places of schema.data.gouv.fr: the same places are wrong."""
    for text, schema in real(name):
        checks = [one["params"]["column"] for one in schema.get("custom_checks", [])]
        ours = {at for at in by_ecluse(text, tmp_path, under(schema)) if at[1] not in checks}
        theirs = {at for at in by_frictionless(text, schema) if at[1] not in checks}
        assert ours == theirs


def test_the_real_schema_of_subsidies(tmp_path: Path) -> None:
    """Its examples are of an older version: the same columns are missed, or the header is refused."""
    for text, schema in real("subventions"):
        try:
            text.decode()
        except UnicodeDecodeError:
            continue
        ours = {name for line, name in by_ecluse(text, tmp_path, under(schema)) if line is None}
        theirs = {name for line, name in by_frictionless(text, schema) if line is None}
        required = {
            one["name"]
            for one in schema["fields"]
            if one.get("constraints", {}).get("required") is not False
        }
        assert ours == theirs & required


# --- what frictionless does not know -------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "cells"),
    [
        ({"type": "date"}, {"31/12/2025": "2025-12-31", "31-12-25": "2025-12-31"}),
        ({"type": "number"}, {"1 234,5": "1234.5", "12 %": "12.0", "3,5 €": "3.5"}),
        ({"type": "number", "groupChar": ".", "decimalChar": ","}, {"1.234,5": "1234.5", "12": "12.0"}),
        ({"type": "integer", "groupChar": "."}, {"1.234": "1234"}),
        ({"type": "boolean"}, {"oui": "True", "FAUX": "False"}),
    ],
)  # fmt: skip
def test_french_forms(tmp_path: Path, field: dict[str, Any], cells: dict[str, str]) -> None:
    """What French offices write is read for what it means."""
    schema = {"fields": [{"name": "id"}, {"name": "v", **field}]}
    text = "id|v\n" + "".join(f"{n}|{cell}\n" for n, cell in enumerate(cells))
    found = rows(text.encode(), tmp_path, under(schema))
    assert [str(row["v"]) for row in found] == list(cells.values())


def crossed(*checks: dict[str, Any]) -> Card:
    fields = [
        {"name": "siret"}, {"name": "rna"}, {"name": "debut", "type": "date"},
        {"name": "fin", "type": "date"},
    ]  # fmt: skip
    return under({"fields": fields, "custom_checks": list(checks)})


@pytest.mark.parametrize(
    ("check", "lines", "code"),
    [
        ({"name": "french-siret-value", "params": {"column": "siret"}}, 3, "form"),
        ({"name": "one-of-required", "params": {"column1": "siret", "column2": "rna"}}, 4,
         "one_missing"),
        ({"name": "compare-columns-value", "params": {"column": "debut", "column2": "fin",
                                                      "op": "<="}}, 5, "compared"),
        ({"name": "cohesive-columns-value", "params": {"column": "debut", "othercolumns": ["fin"]}}, 6,
         "not_together"),
    ],
)  # fmt: skip
def test_cross_checks(tmp_path: Path, check: dict[str, Any], lines: int, code: str) -> None:
    """Keys of numbers, one of two, two in order, all or none: found by line."""
    text = (
        (
            b"siret;rna;debut;fin\n35600000000048;;2025-01-01;2025-12-31\n"
            b"21060004500393;;;\n;;;\n52499120500013;W1;2025-02-01;2025-01-01\n"
            b"35600000049837;W2;2025-02-01;\n"
        )
        .replace(b";;;\n", b";;2025-01-01;2025-01-01\n", 2)
        .replace(b"393;;2025", b"393;W0;2025")
    )
    found = refusal(text, tmp_path, crossed(check))
    assert (found["code"], found["line"], found["count"]) == (code, lines, 1)


def test_a_check_that_is_not_known(tmp_path: Path) -> None:
    """It is said that it was not made."""
    check = {"name": "opening-hours-value", "params": {"column": "rna"}}
    made = read(b"siret;rna;debut;fin\n1;2;;\n", tmp_path, crossed(check))
    assert {"code": "check_unknown", "expected": "opening-hours-value"} in made.quality["warnings"]


# --- the report ----------------------------------------------------------------------------------


def test_the_profile(tmp_path: Path) -> None:
    """Of each column: nulls, distinct values, lengths, type; never a value."""
    text = f"id;nom;places\n1;{SECRET};3\n2;;3\n3;b;\n".encode()
    made = read(text, tmp_path, plain("id", "nom", "places"))
    assert SECRET not in json.dumps(made.quality)
    told = {column["name"]: column for column in made.quality["columns"]}
    assert told["nom"] == {
        "position": 2, "name": "nom", "declared": True, "type": "string", "nulls": 1, "distinct": 2,
        "min_length": 1, "max_length": 11,
    }  # fmt: skip
    assert (told["places"]["nulls"], told["places"]["distinct"]) == (1, 1)


@pytest.mark.parametrize(("count", "told"), [(10_000, "distinct"), (10_001, "distinct_over")])
def test_many_distinct_values(tmp_path: Path, count: int, told: str) -> None:
    """Counted up to ten thousand; then it is said that there are more."""
    text = "id;n\n" + "".join(f"x{n};1\n" for n in range(count))
    made = read(text.encode(), tmp_path, plain("id", "n"))
    assert made.quality["columns"][0][told] == 10_000


def test_the_first_hundred_of_each_kind(tmp_path: Path) -> None:
    """A hundred places of each code are listed, all are counted."""
    chosen = under({"fields": [{"name": "id"}, {"name": "n", "type": "integer"}]})
    text = "id;n\n" + f"1;{SECRET}\n" * 150
    with pytest.raises(Quarantined) as caught:
        read(text.encode(), tmp_path, chosen)
    reasons = caught.value.reasons
    assert (len(reasons), {r.count for r in reasons}, reasons[0].found) == (100, {150}, "text")
    assert [r.line for r in reasons] == list(range(2, 102))
    assert SECRET not in str([r.model_dump() for r in reasons])


# --- drift ---------------------------------------------------------------------------------------


def report(*columns: tuple[str | None, str]) -> dict[str, Any]:
    return {"columns": [{"name": n, "declared": n is not None, "type": t} for n, t in columns]}


@pytest.mark.parametrize(
    ("now", "found"),
    [
        (report(("a", "string"), ("b", "integer")), None),
        (report(("b", "integer"), ("a", "string")), None),
        (report(("a", "string"), ("b", "integer"), ("c", "date")), Drift(added=("c",))),
        (report(("a", "string")), Drift(removed=("b",))),
        (report(("a", "string"), ("c", "integer")), Drift(renamed={"b": "c"})),
        (report(("a", "string"), ("c", "date")), Drift(added=("c",), removed=("b",))),
        (report(("a", "string"), ("b", "number")), Drift(retyped={"b": ("integer", "number")})),
        (report(("a", "string"), ("b", "integer"), (None, "string")), Drift(undeclared=1)),
    ],
)
def test_drift(now: dict[str, Any], found: Drift | None) -> None:
    """Added, removed, renamed, of another type, undeclared; the order is none of these."""
    assert drift(report(("a", "string"), ("b", "integer")), now) == found
