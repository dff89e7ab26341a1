"""The portal's pages: what they show, and what they must never let through."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from services.publish.portal.catalogue import Copy, News
from services.publish.portal.texts import FREQUENCIES, TYPES, WORDS, Words
from services.publish.portals.fetch_file import ALWAYS, OF_OURS
from tests.services.publish.portal_town import CARD, CSV, MODIFIED, Memory, dataset, file

PREVIEW = {
    "columns": [
        {"name": "id", "type": "string", "title": {"fr": "Identifiant"}},
        {"name": "couvert", "type": "boolean"},
    ],
    "rows": [["B1", True], ["<script>alert(1)</script>", False], [None, None]],
    "total": 3,
}


def town() -> Memory:
    content = json.dumps(PREVIEW).encode()
    preview = file("preview.json", content, role="preview")
    return Memory([dataset()], {file(): CSV, preview: content})


def test_the_eleven_metadata_are_on_the_page() -> None:
    """Title, description, keywords, legal notes, licence and attribution, spatial and temporal
    coverage, granularity, publication date, frequency, last update."""
    page = town().client().get("/datasets/bancs").text
    for shown in (
        "Bancs publics",
        "Les bancs.",
        "mobilier urbain",
        "Aucune.",
        "Licence Ouverte 2.0",
        "Ville d&#39;essai",
        "depuis le 1er janvier 2020",
        "point",
        "1er janvier 2026",
        "tous les mois",
        "1er mars 2026",
        "Espaces verts",
    ):
        assert shown in page, shown


def test_pages_come_in_two_languages() -> None:
    """The English page has English words and says so; each links to the other."""
    client = town().client()
    french, english = client.get("/datasets/bancs"), client.get("/en/datasets/bancs")
    assert french.headers["content-language"] == "fr"
    assert english.headers["content-language"] == "en"
    assert "Public benches" in english.text
    assert 'href="/en/datasets/bancs"' in french.text
    assert 'href="/datasets/bancs"' in english.text
    assert "Green spaces" in english.text


def test_the_preview_shows_cells_as_text() -> None:
    """Booleans in words, nothing for null, and markup in a cell stays text."""
    page = town().client().get("/datasets/bancs").text
    assert "<td>vrai</td>" in page
    assert "<td>faux</td>" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert "<td>true</td>" in town().client().get("/en/datasets/bancs").text


def test_markup_in_a_card_stays_text() -> None:
    """Titles are escaped, descriptions are Markdown without scripts."""
    hostile = CARD | {
        "title": {"fr": "<img src=x onerror=alert(1)>"},
        "description": {"fr": "**Gras** <script>alert(2)</script> [x](javascript:alert(3))"},
        "keywords": ['"><script>alert(4)</script>'],
    }
    memory = Memory([dataset(card=hostile)], {file(): CSV})
    for address in ("/", "/datasets/bancs", "/en", "/?q=%22%3E%3Cscript%3E"):
        page = memory.client().get(address).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert 'href="javascript:' not in page
    assert "<strong>Gras</strong>" in memory.client().get("/datasets/bancs").text


def test_pages_let_nothing_foreign_in() -> None:
    """A strict content policy, no frame, no sniffing, no cookie."""
    answer = town().client().get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers


def test_an_api_of_the_dataset_is_on_its_page() -> None:
    """Where it answers and where it is described; without one nothing is said of it."""
    api = {
        "url": "https://api.ville.example/bancs?a=1&b=2",
        "documentation": "https://x.example/doc",
    }
    memory = town()
    assert "API" not in memory.client().get("/datasets/bancs").text
    memory.known = [dataset(card=CARD | {"exposure": "both", "api": api})]
    page = memory.client().get("/en/datasets/bancs").text
    assert '<a href="https://api.ville.example/bancs?a=1&amp;b=2">' in page
    assert '<a href="https://x.example/doc">documentation of the API</a>' in page
    memory.known = [dataset(card=CARD | {"exposure": "both", "api": {"url": api["url"]}})]
    assert "documentation de" not in memory.client().get("/datasets/bancs").text


def test_search_and_filter() -> None:
    """Words are found without case and accents, in any order; domains filter."""
    other = CARD | {"title": {"fr": "Écoles élémentaires"}, "keywords": ["école"]}
    memory = Memory([dataset(), dataset("ecoles", card=other, domain="education")], {file(): CSV})
    client = memory.client()
    assert "Écoles" in client.get("/?q=ELEMENTAIRES ecoles").text
    assert "Bancs publics" not in client.get("/?q=ecoles").text.split("<main")[1]
    assert "Écoles" not in client.get("/?domain=espaces-verts").text.split("<main")[1]
    assert "Aucun jeu de données" in client.get("/?q=introuvable").text


@pytest.mark.parametrize("address", ["/nothing", "/datasets/nothing", "/en/datasets/nothing"])
def test_a_missing_page_helps(address: str) -> None:
    """A page that is not there is a page in the reader's language, or JSON for a program."""
    answer = town().client().get(address)
    assert answer.status_code == 404
    assert ("page does not exist" in answer.text) == address.startswith("/en")
    program = town().client().get(address, headers={"Accept": "application/json"})
    assert program.json() == {"status": 404}


def test_the_page_shows_what_lies_beside_and_how_values_lie() -> None:
    """Links to README and archive; a column's histogram as bars with a text for those who see none."""
    told = {"name": "places", "type": "integer", "title": None, "description": None, "unit": None}
    profile = {"nulls": 0, "histogram": {"edges": [1.0, 2.0, 3.0], "counts": [4, 2]}}
    content = json.dumps(
        {"columns": [told | {"profile": profile}], "rows": [[1]], "total": 1}
    ).encode()
    beside = file("README.md", b"x", role="extra")
    shelf = {file(): CSV, file("preview.json", content, role="preview"): content, beside: b"x"}
    page = Memory([dataset()], shelf).client().get("/datasets/bancs").text
    assert 'href="/datasets/bancs/README.md"' in page
    assert 'aria-label="De 1 à 3"' in page
    assert page.count("<rect ") == 2


@pytest.mark.parametrize("place", ["/datasets/bancs", "/en/datasets/bancs"])
def test_a_layer_is_a_map(place: str) -> None:
    """Its scripts are our own and ask our own site alone; without them a statement and a link stand
    there, and the place for the map is hidden."""
    layer = file("map.geojson", b"{}", role="extra")
    client = Memory([dataset()], {file(): CSV, layer: b"{}"}).client()
    answer = client.get(place)
    policy = answer.headers["content-security-policy"]
    for rule in (
        "default-src 'none'",
        "script-src 'self'",
        "connect-src 'self'",
        "style-src 'self'",
    ):
        assert rule in policy.split("; ")
    for address in re.findall(
        r'(?:<script defer src|<link rel="stylesheet" href)="([^"]+)"', answer.text
    ):
        assert address.startswith("/static/")
        assert client.get(address).status_code == 200
    assert re.search(
        r'<div id="map"[^>]* hidden [^>]*data-layer="/datasets/bancs/map.geojson"', answer.text
    )
    assert re.search(r'<p id="map-said">[^<]+JavaScript', answer.text)
    assert '<a href="/datasets/bancs/map.geojson">' in answer.text


def test_without_a_layer_there_is_no_map() -> None:
    """No script, and a policy that lets none in."""
    answer = town().client().get("/datasets/bancs")
    assert "leaflet" not in answer.text
    assert 'id="map"' not in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]


def test_a_preview_that_is_away_does_not_break_the_page() -> None:
    """The rest of the page stands without its first rows."""
    memory = town()
    memory.away = True
    answer = memory.client().get("/datasets/bancs")
    assert answer.status_code == 200
    assert "Aperçu" not in answer.text.split("<main")[1]


def test_news_are_listed() -> None:
    """The newest items, with their texts."""
    memory = town()
    memory.told = [
        News("n1", "bancs", "update", {"fr": "Mise à jour"}, {"fr": "Texte <b>"}, MODIFIED)
    ]
    page = memory.client().get("/news").text
    assert "Mise à jour" in page
    assert "Texte &lt;b&gt;" in page


def test_what_the_last_check_found_on_other_portals_is_public() -> None:
    """By portal and file, in both languages; withdrawn with the dataset."""
    memory = town()
    every = [*ALWAYS, *OF_OURS, "address"]
    memory.there["bancs"] = [
        Copy("agglo", "arrived", [{"format": "csv", "wrong": []}], 0, MODIFIED),
        Copy("depot", "failed", [{"format": "json", "wrong": every}], 2, MODIFIED),
        *(Copy(state, state, [], 0, None) for state in ("pending", "late")),
    ]
    assert 'href="/datasets/bancs/copies"' in memory.client().get("/datasets/bancs").text
    page = memory.client().get("/datasets/bancs/copies").text
    assert "arrivé et vérifié" in page
    assert "2 champ(s) différent(s)" in page
    assert "ne se télécharge pas, taille différente, empreinte différente" in page
    assert page.count("conforme") == 2
    assert "another checksum" in memory.client().get("/en/datasets/bancs/copies").text
    memory.there.clear()
    assert "aucun autre portail" in memory.client().get("/datasets/bancs/copies").text
    memory.known = [dataset(state="withdrawn")]
    assert memory.client().get("/datasets/bancs/copies").status_code == 410
    assert memory.client().get("/datasets/rien/copies").status_code == 404


def test_every_word_exists_in_both_languages() -> None:
    """No page falls back to the other language, or to nothing."""
    for words in (WORDS, FREQUENCIES, TYPES):
        assert all(fr and en for fr, en in words.values())


@pytest.mark.parametrize(
    ("moment", "fr", "en"),
    [
        (date(2026, 1, 1), "1er janvier 2026", "January 1, 2026"),
        (date(2026, 8, 11), "11 août 2026", "August 11, 2026"),
        (datetime(2026, 12, 31, 23, tzinfo=UTC), "31 décembre 2026", "December 31, 2026"),
    ],
)
def test_dates(moment: date, fr: str, en: str) -> None:
    """Dates as people write them."""
    assert (Words("fr").date(moment), Words("en").date(moment)) == (fr, en)


@pytest.mark.parametrize(
    ("size", "fr", "en"),
    [
        (0, "0\u00a0octets", "0\u00a0bytes"),
        (999, "999\u00a0octets", "999\u00a0bytes"),
        (1450, "1,4\u00a0Ko", "1.4\u00a0kB"),
        (2_500_000_000, "2,5\u00a0Go", "2.5\u00a0GB"),
    ],
)
def test_sizes(size: int, fr: str, en: str) -> None:
    """Sizes in powers of 1000, with each language's decimal mark."""
    assert (Words("fr").size(size), Words("en").size(size)) == (fr, en)


def test_a_withdrawn_dataset_leaves_the_list() -> None:
    """It is neither listed nor counted."""
    memory = town()
    memory.known = [replace(memory.known[0], state="withdrawn", withdrawn_at=MODIFIED)]
    assert "Bancs publics" not in memory.client().get("/").text


def test_a_card_with_no_more_than_it_needs_has_a_page() -> None:
    """What a card may leave out does not break its page, nor the feeds."""
    optional = ("theme", "contact", "producer")
    card = {name: value for name, value in CARD.items() if name not in optional}
    card["spatial"] = {"zones": ["fr:commune:69123"], "granularity": "point"}
    client = Memory([dataset(card=card)], {file(): CSV}).client()
    for address in ("/", "/datasets/bancs", "/en/datasets/bancs", "/catalog.ttl", "/news.atom"):
        assert client.get(address).status_code == 200, address
