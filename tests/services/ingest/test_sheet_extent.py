"""How large a sheet is, told from its bytes: the same however they are cut into blocks."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.check_xml import XmlCheck
from services.ingest.ods_extent import OdsExtent
from services.ingest.read_limits import ReadLimits
from shared.failures import Quarantined

CELL = "<table:table-cell{}><text:p>x</text:p></table:table-cell>"
VALUE = '<table:table-cell office:value-type="float" office:value="1"/>'
ERROR = CELL.format(' office:value-type="string" calcext:value-type="error"')
FORMULA = '<table:table-cell table:formula="of:=1"/>'
SAYING = "<table:table-cell><text:p>a = b, c=d</text:p></table:table-cell>"
MARKED = (
    CELL.format(' table:number-columns-spanned="2" table:number-rows-spanned="1"'),
    CELL.format(" table:number-columns-spanned = '2'"),
    "<table:table-cell><text:p>a<text:tab/>b<text:line-break/>c</text:p></table:table-cell>",
    "<table:table-cell><text:p><![CDATA[a]]></text:p></table:table-cell>",
)
SAID = ' office:value-type="string"'
TIME = '<table:table-cell office:value-type="time" office:time-value="{}"/>'
TRUTH = '<table:table-cell office:value-type="boolean" office:boolean-value="{}"/>'
# Values that a reader does not give as they are.
UNREAD = (
    CELL.format(' office:value-type="float"'),
    TIME.format("PT24H00M00S"), TIME.format("-PT01H00M00S"), TIME.format("P1D"),
    TRUTH.format("True"), TRUTH.format("1"),
    CELL.format(SAID).replace("<text:p>", "<draw:frame/><text:p>"),
    "<table:table-cell><text:p>a</text:p><text:p>b</text:p></table:table-cell>",
    CELL.format(' table:formula="of:=1/0" office:value-type="float" office:value="0"').replace(
        ">x<", ">#N/D<"
    ),
)  # fmt: skip
READ = (
    CELL.format(SAID), CELL.format(' office:value-type="float" office:value="1"'),
    TIME.format("PT23H59M59.5S"), TRUTH.format("false"), CELL.format(' office:string-value="a"'),
    CELL.format(SAID).replace(">x<", ">#N/D<"),
)  # fmt: skip
CELLS = (
    *MARKED, *UNREAD, *READ, CELL.format(""),
    VALUE, "<table:table-cell/>", "<table:covered-table-cell/>", ERROR, FORMULA, SAYING,
)  # fmt: skip
REPEATED = (
    CELL.format(' table:number-columns-repeated="3"'),
    CELL.format(" table:number-columns-repeated\n= '3'"),
)
CELL_IN_ROW = r"<table:(?:covered-)?table-cell.*?(?=<table:(?:cov|tab)|</table:table-row)"
GROUPED = "</table:table-row-group><table:table-row-group>"
ROWS = (
    "<table:table-row>",
    '<table:table-row table:number-rows-repeated="4">',
    '<table:table-row/><table:table-row table:number-rows-repeated="4">',
)
rows = st.builds(
    lambda opening, cells: opening + "".join(cells) + "</table:table-row>",
    st.sampled_from(ROWS),
    st.lists(st.sampled_from((*CELLS, *REPEATED)), min_size=1, max_size=6),
)


def extent(sheet: list[str]) -> tuple[int, int]:
    """Rows and columns to the last cell that holds something, cell by cell."""
    height = width = at = 0
    for row in sheet:
        times = 4 if "number-rows-repeated" in row else 1
        at += row.count("<table:table-row/>")
        cells = re.findall(CELL_IN_ROW, row, re.DOTALL)
        column = last = 0
        for cell in cells:
            column += 3 if "columns-repeated" in cell else 1
            last = column if "<text:p>" in cell or "value-type" in cell else last
        at += times
        height = at if last else height
        # A row that repeats nothing is counted to its last cell: never less than it is.
        plain = "repeated" not in row and last
        width = max(width, column if plain else last)
    return height, width


def blocks(content: bytes, sizes: list[int]) -> list[bytes]:
    out, at, turn = [], 0, 0
    while at < len(content):
        size = sizes[turn % len(sizes)]
        out.append(content[at : at + size])
        at, turn = at + size, turn + 1
    return out


def fits(content: bytes, sizes: list[int], limits: ReadLimits) -> bool:
    check = OdsExtent(limits)
    try:
        for block in blocks(content, sizes):
            check.feed(block)
    except Quarantined:
        return False
    return True


# Many, since what counts is the widest row's kind, and that it is not in the first block.
@settings(deadline=None, max_examples=600)
@given(st.lists(rows, min_size=1, max_size=12), st.lists(st.integers(1, 900), min_size=1))
def test_ods_extent(sheet: list[str], sizes: list[int]) -> None:
    """A sheet of exactly so many rows and columns passes; one row or column less, and it does not."""
    height, width = extent(sheet)
    start, end = "<table:table table:name='a'>", "</table:table>"
    # Two sheets: the second is counted afresh.
    content = (start + GROUPED.join(sheet) + end) * 2
    whole = content.encode()
    if not height:
        assert fits(whole, sizes, ReadLimits(sheet_rows=0, sheet_columns=0))
        return
    assert fits(whole, sizes, ReadLimits(sheet_rows=height, sheet_columns=width))
    assert not fits(whole, sizes, ReadLimits(sheet_rows=height - 1, sheet_columns=width))
    assert not fits(whole, sizes, ReadLimits(sheet_rows=height, sheet_columns=width - 1))


@given(st.lists(rows, min_size=1, max_size=12), st.lists(st.integers(1, 900), min_size=1))
def test_cells_that_come_empty(sheet: list[str], sizes: list[int]) -> None:
    """Or as something else, are counted, each once."""
    check = OdsExtent(ReadLimits())
    whole = "".join(sheet)
    for block in blocks(whole.encode(), sizes):
        check.feed(block)
    shown = whole.count(UNREAD[-1])
    assert check.error_cells == whole.count(ERROR) + shown
    assert check.uncomputed == whole.count(FORMULA)
    marks = ("-columns-spanned", "<text:tab", "<text:line-break", "<![CDATA[", "<draw:")
    silent = [
        cell.count("<text:p>")
        for row in sheet
        for cell in re.findall(CELL_IN_ROW, row, re.DOTALL)
        if not re.search(r'value-type="string"|-value="|office:value="', cell)
    ]
    odd = sum(map(whole.count, UNREAD[1:6]))
    assert check.marks == sum(map(whole.count, marks)) + sum(silent) + odd + shown


SHEET = "<worksheet><sheetData>{}</sheetData></worksheet>" + " " * 60
FAR = {
    "row": '<row r="1048577"><c r="A1"><v>1</v></c></row>',
    "prefixed row": '<x:row r="1048577"><x:c r="A1"/></x:row>',
    "spaced row": '<row r = "1048577"><c r="A1"/></row>',
    "quoted otherwise": "<row s='2' r='1048577'/>",
    "column": '<row r="1"><c r="XFE1"><v>1</v></c></row>',
    "spaced column": '<row r="1"><c r\n=\n"XFE1"><v>1</v></c></row>',
    "small letters": '<row r="1"><c s="1" r="xfe1"><v>1</v></c></row>',
    "both": '<row r="1000000"><c r="AZ1000000"><v>1</v></c></row>',
}
NEAR = {
    "last row": '<row r="1048576"><c r="Z1048576"><v>1</v></c></row>',
    "last column": '<row r="1"><c r="XFD1"><v>1</v></c></row>',
    "in a text": '<row r="1"><c r="A1"><is><t>le r="rouge" ou r="blanche"</t></is></c></row>',
}


@pytest.mark.parametrize("what", [*FAR, *NEAR])
@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 90), min_size=1, max_size=5))
def test_xlsx_extent(what: str, sizes: list[int]) -> None:
    """A cell's or row's reference past the limit is found wherever a block ends; a text is none."""
    body = "<row><c><v>1</v></c></row>" * 3 + (FAR | NEAR)[what] + '<row><c t="e"/></row>'
    check = XmlCheck(ReadLimits(), sheet=True)

    def feed() -> None:
        # The first block of a file is told apart from one that is not UTF-8.
        for block in (b"<?xml?>", *blocks(SHEET.format(body).encode(), sizes)):
            check.feed(block)

    if what in NEAR:
        feed()
        assert check.error_cells == 1
        return
    with pytest.raises(Quarantined) as stopped:
        feed()
    assert stopped.value.reasons[0].code == "sheet_too_large"
