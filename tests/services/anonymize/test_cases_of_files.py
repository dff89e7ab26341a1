"""Adversarial cases that come as files: what ingest reads of them, and what anonymize lets out."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl.comments import Comment
from openpyxl.workbook.defined_name import DefinedName

from services.anonymize.anonymize_table import anonymize_table
from services.convert.convert_table import convert_table
from services.ingest.source_to_table import ReadLimits, source_to_table
from shared.card import Card
from shared.failures import Quarantined
from tests.cards import card

SECRET = "jeanne.martin@exemple.fr"
KML = """<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"
 xmlns:atom="http://www.w3.org/2005/Atom"><Document><atom:author><atom:name>Jeanne Martin</atom:name>
</atom:author><Placemark><name>Banc 1</name><description><![CDATA[<table><tr><td>contact</td>
<td>{said}</td></tr></table>]]></description><ExtendedData><Data name="places"><value>3</value></Data>
</ExtendedData><Point><coordinates>4.85,45.76</coordinates></Point></Placemark></Document></kml>"""


def plain(*columns: str, **fields: object) -> Card:
    """A card without schema, whose policy keeps these columns."""
    privacy = card().privacy.model_dump(mode="json", exclude_none=True)
    told = privacy | {"columns": dict.fromkeys(columns, "keep")}
    return card(**({"schema": None, "source": {}, "privacy": told} | fields))


def through(content: bytes, chosen: Card, folder: Path) -> Path:
    """The safe table of a source file. Raises Quarantined."""
    source, table, out = (folder / name for name in ("source", "table.parquet", "safe.parquet"))
    source.write_bytes(content)
    source_to_table(source, chosen, table, ReadLimits())
    anonymize_table(table, chosen, out)
    return out


def stopped(content: bytes, chosen: Card, folder: Path) -> set[str]:
    with pytest.raises(Quarantined) as failure:
        through(content, chosen, folder)
    assert not (folder / "safe.parquet").exists()
    return {reason.code for reason in failure.value.reasons}


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return out.getvalue()


def workbook(change: Any = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (("id", "places"), ("B1", 3), ("B2", 4)):
        sheet.append(row)
    if change:
        change(book, sheet)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_case_29_members_on_some_features_only(tmp_path: Path) -> None:
    """A property that one feature of a hundred has is a column, which the policy does not name."""
    features = [
        {"type": "Feature", "properties": {"id": f"B{n}"} | ({"tel": SECRET} if n == 57 else {}),
         "geometry": {"type": "Point", "coordinates": [4.85, 45.76]}}
        for n in range(100)
    ]  # fmt: skip
    content = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    assert stopped(content, plain("id", "geometry"), tmp_path) == {"column_undeclared"}


def test_case_30_what_a_placemark_says(tmp_path: Path) -> None:
    """Name, description and extended data are columns and are scanned, HTML within too; the author's
    tag is nowhere in what is written."""
    names = ("name", "description", "places", "geometry")
    kept = plain(*names)
    assert stopped(KML.format(said=SECRET).encode(), kept, tmp_path) == {"finding_email"}
    out = through(KML.format(said="mairie").encode(), kept, tmp_path)
    assert b"Jeanne" not in out.read_bytes()
    assert set(pq.read_schema(out).names) <= set(names)


def hide_a_sheet(book: Any, _: Any) -> None:
    hidden = book.create_sheet("agents")
    hidden.append((SECRET,))
    hidden.sheet_state = "veryHidden"


def comment(_: Any, sheet: Any) -> None:
    sheet["A2"].comment = Comment(SECRET, SECRET)


def name_a_range(book: Any, _: Any) -> None:
    book.defined_names["agent"] = DefinedName("agent", attr_text=f'"{SECRET}"')


def say_who_wrote(book: Any, _: Any) -> None:
    book.properties.creator = book.properties.lastModifiedBy = SECRET


def link(_: Any, sheet: Any) -> None:
    sheet["A2"].hyperlink = f"mailto:{SECRET}"


@pytest.mark.parametrize("change", [hide_a_sheet, comment, name_a_range, say_who_wrote, link])
def test_case_33_what_a_workbook_hides(change: Any, tmp_path: Path) -> None:
    """Hidden sheets, comments, names, properties and links are not in what is written, in any format."""
    chosen = plain("id", "places", formats=["csv", "json", "parquet", "xlsx"])
    out = through(workbook(change), chosen, tmp_path)
    assert pq.read_table(out).to_pydict() == {"id": ["B1", "B2"], "places": [3, 4]}
    made = tmp_path / "made"
    made.mkdir()
    convert_table(out, chosen, "r" + "1" * 31, made)
    for file in made.iterdir():
        content = file.read_bytes()
        assert SECRET.encode() not in content
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                assert not any(SECRET.encode() in archive.read(name) for name in archive.namelist())


def test_case_33_a_hidden_column_is_a_column(tmp_path: Path) -> None:
    """Hidden rows and columns are read as any: what the policy does not name stops."""

    def change(_: Any, sheet: Any) -> None:
        sheet["C1"], sheet["C2"] = "agent", SECRET
        sheet.column_dimensions["C"].hidden = True
        sheet.row_dimensions[2].hidden = True

    assert stopped(workbook(change), plain("id", "places"), tmp_path) == {"column_undeclared"}
    found = stopped(workbook(change), plain("id", "places", "agent"), tmp_path)
    assert found == {"finding_email"}


def test_case_34_a_formula_is_what_it_shows(tmp_path: Path) -> None:
    """A formula without its result is no cell; its text, which may name somebody, never leaves."""

    def change(_: Any, sheet: Any) -> None:
        sheet["A2"] = f'=HYPERLINK("mailto:{SECRET}","B1")'

    said = b""
    with suppress(Quarantined):
        said = through(workbook(change), plain("id", "places"), tmp_path).read_bytes()
    assert SECRET.encode() not in said


def test_case_35_cells_that_a_spreadsheet_would_run(tmp_path: Path) -> None:
    """They leave as text, in CSV too."""
    out = through(b"id;note\nB1;=cmd|' /C calc'!A0\nB2;@SUM(1)\n", plain("id", "note"), tmp_path)
    made = tmp_path / "made"
    made.mkdir()
    convert_table(out, plain("id", "note"), "r" + "1" * 31, made)
    text = next(made.glob("*.csv")).read_text(encoding="utf-8-sig")
    assert not any(
        cell.lstrip('"').startswith(("=", "@")) for cell in text.replace("\n", ";").split(";")
    )


def encrypted() -> bytes:
    """A ZIP whose entry says that it is encrypted (APPNOTE 4.4.4, bit 0)."""
    content = bytearray(zipped(data_csv=b"id;places\nB1;3\n"))
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


PDF = b"%PDF-1.7\n1 0 obj<</Author(Jeanne Martin)>>endobj\ntrailer<</Info 1 0 R>>\n%%EOF\n"
JPEG = b"\xff\xd8\xff\xe1\x00\x2aExif\x00\x00II*\x00" + SECRET.encode() + b"\xff\xd9"
UNREADABLE = {
    "36 nested ZIP": zipped(inner_zip=zipped(data_csv=b"id\nB1\n")),
    "36 encrypted ZIP": encrypted(),
    "36 encrypted sheet": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504
    + "EncryptedPackage".encode("utf-16-le") + b"\0" * 1024,
    "36 document": zipped(document_xml=b"<w:document/>"),
    "37 image": JPEG,
    "37 PDF": PDF,
    "62 deliberation": PDF,
}  # fmt: skip


@pytest.mark.parametrize("case", UNREADABLE)
def test_cases_36_37_what_cannot_be_read_stops(case: str, tmp_path: Path) -> None:
    """An archive within an archive, a password, a document, an image: nothing is passed through."""
    with pytest.raises(Quarantined) as failure:
        through(UNREADABLE[case], plain("id"), tmp_path)
    assert SECRET not in repr(failure.value.reasons)
    assert not (tmp_path / "safe.parquet").exists()


def test_case_38_written_anew(tmp_path: Path) -> None:
    """Metadata, dictionary values that no row uses and statistics of the source are not carried over."""
    values = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), ["B1", "B2", SECRET])
    field = pa.field("id", values.type, metadata={"author": SECRET})
    table = pa.Table.from_arrays([values], schema=pa.schema([field], {"creator": SECRET}))
    pq.write_table(table, tmp_path / "in.parquet")
    assert SECRET.encode() in (tmp_path / "in.parquet").read_bytes()
    chosen = plain("id")
    out = through((tmp_path / "in.parquet").read_bytes(), chosen, tmp_path)
    assert SECRET.encode() not in out.read_bytes()
    assert pq.read_table(out)["id"].to_pylist() == ["B1", "B2"]


def test_case_62_a_deliberation_with_a_beneficiary(tmp_path: Path) -> None:
    """Whoever receives social aid is not published, though the act is public."""
    text = "acte;objet\n2026-1;Aide sociale accordée à Mme Dupont\n2026-2;Voirie\n"
    found = stopped(text.encode(), plain("acte", "objet"), tmp_path)
    assert found == {"finding_name"}


def test_case_66_file_names_and_cells_are_in_no_reason(tmp_path: Path) -> None:
    """A source called `export_dupont.csv`: neither its name nor a cell is in what is said of it."""
    source = tmp_path / "export_dupont.csv"
    source.write_text(f"id;{SECRET}\nB1;{SECRET}\n", encoding="utf-8")
    table = tmp_path / "table.parquet"
    source_to_table(source, plain("id", SECRET), table, ReadLimits())
    for chosen in (plain("id", SECRET), plain("id")):
        with pytest.raises(Quarantined) as failure:
            anonymize_table(table, chosen, tmp_path / "out.parquet")
        said = repr([reason.model_dump() for reason in failure.value.reasons])
        assert "dupont" not in said
        if SECRET not in chosen.privacy.columns:
            assert SECRET not in said


def test_case_68_the_preview_is_of_what_is_published(tmp_path: Path) -> None:
    """Its first rows come from the safe table alone: dropped columns are not in it."""
    privacy = card().privacy.model_dump(mode="json", exclude_none=True)
    told = privacy | {"columns": {"id": "keep", "agent": "drop"}}
    chosen = card(schema=None, source={}, privacy=told)
    out = through(f"id;agent\nB1;{SECRET}\n".encode(), chosen, tmp_path)
    made = tmp_path / "made"
    made.mkdir()
    convert_table(out, chosen, "r" + "1" * 31, made)
    assert b"B1" in (made / "preview.json").read_bytes()
    assert not any(SECRET.encode() in file.read_bytes() for file in made.iterdir())
