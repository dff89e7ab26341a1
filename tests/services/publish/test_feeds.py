"""The catalogue feed and the news feeds, read back by other programs' parsers."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from rdflib import BNode, Graph, Literal, URIRef
from rdflib.compare import isomorphic
from rdflib.namespace import DCAT, DCTERMS, RDF, RDFS

from services.publish.portal.catalogue import News
from services.publish.portal.feeds import make_feed
from tests.services.publish.portal_town import CARD, CSV, MODIFIED, PUBLIC, Memory, dataset, file

NODE = URIRef(f"{PUBLIC}/datasets/bancs")
HYDRA = "http://www.w3.org/ns/hydra/core#"
ATOM = "{http://www.w3.org/2005/Atom}"


def feed(memory: Memory, address: str = "/catalog.ttl", form: str = "turtle") -> Graph:
    answer = memory.client(page_size=2).get(address)
    assert answer.status_code == 200
    return Graph().parse(data=answer.content, format=form)


def town(count: int = 1) -> Memory:
    names = ["bancs", *(f"autre-{number}" for number in range(1, count))]
    return Memory(
        [dataset(name) for name in names],
        {file(f"{name}.csv", dataset=name, key=name): CSV for name in names},
    )


def test_a_dataset_in_the_feed() -> None:
    """Stable identifier, titles in both languages, licence, dates, frequency, one distribution."""
    graph = feed(town())
    assert graph.value(NODE, DCTERMS.identifier) is not None
    titles = {(str(one), one.language) for one in graph.objects(NODE, DCTERMS.title)}  # type: ignore[attr-defined]
    assert titles == {("Bancs publics", "fr"), ("Public benches", "en")}
    assert "licence-ouverte" in str(graph.value(NODE, DCTERMS.license))
    assert str(graph.value(NODE, DCTERMS.accrualPeriodicity)).endswith("/MONTHLY")
    assert str(graph.value(NODE, DCTERMS.modified)).startswith("2026-03-01T12:30:15")
    [distribution] = graph.objects(NODE, DCAT.distribution)
    assert str(graph.value(distribution, DCAT.downloadURL)) == f"{PUBLIC}/datasets/bancs/bancs.csv"
    assert str(graph.value(distribution, DCAT.byteSize)) == str(len(CSV))
    assert str(graph.value(distribution, DCAT.mediaType)).endswith("text/csv")


def test_one_dataset_is_a_feed_of_its_own_and_says_the_same() -> None:
    """What a harvester is asked to try is what it will read: the release now public, one page."""
    memory = town(count=3)
    plain, one = feed(memory), feed(memory, "/datasets/bancs/catalog.ttl")
    memory.held[file("bancs.json", release="r0", current=False)] = b"[]"
    assert isomorphic(feed(memory, "/datasets/bancs/catalog.ttl"), one)
    assert list(one.subjects(RDF.type, DCAT.Dataset)) == [NODE]

    def said(graph: Graph) -> set[tuple[object, object]]:
        return {pair for pair in graph.predicate_objects(NODE) if not isinstance(pair[1], BNode)}

    assert said(one) == said(plain)
    assert len(set(one.objects(NODE, DCAT.distribution))) == 1
    [page] = one.subjects(URIRef(f"{HYDRA}first"))
    assert str(page) == f"{PUBLIC}/datasets/bancs/catalog.ttl?page=1"
    assert one.value(page, URIRef(f"{HYDRA}next")) is None
    client = memory.client()
    assert client.get("/datasets/absent/catalog.ttl").status_code == 404
    memory.known = [dataset("bancs", state="withdrawn")]
    assert client.get("/datasets/bancs/catalog.ttl").status_code == 404


def test_an_api_of_a_card_is_a_data_service_beside_its_dataset() -> None:
    """With its own identifier, where it answers, where it is described; only if the card offers it."""
    api = {
        "url": "https://api.ville.example/bancs",
        "description": "https://api.ville.example/o.json",
    }
    memory = town()
    memory.known = [dataset("bancs", card=CARD | {"api": api, "exposure": "both"})]
    graph = feed(memory)
    [service] = graph.subjects(RDF.type, DCAT.DataService)
    assert str(service) == str(graph.value(service, DCTERMS.identifier)) == f"{NODE}#api"
    assert str(graph.value(service, DCAT.endpointURL)) == api["url"]
    assert str(graph.value(service, DCAT.endpointDescription)) == api["description"]
    assert graph.value(service, DCAT.servesDataset) == NODE
    assert str(graph.value(service, DCTERMS.title)) == "Bancs publics (API)"
    memory.known = [dataset("bancs", card=CARD | {"exposure": "both"})]
    assert not list(feed(memory).subjects(RDF.type, DCAT.DataService))


@pytest.mark.parametrize(
    ("address", "form"),
    [("/catalog.ttl", "turtle"), ("/catalog.jsonld", "json-ld"), ("/catalog.xml", "xml")],
)
def test_every_serialisation_says_the_same(address: str, form: str) -> None:
    """Turtle, JSON-LD and RDF/XML hold the same datasets."""
    found = feed(town(), address, form)
    assert list(found.subjects(RDF.type, DCAT.Dataset)) == [NODE]


def test_pages_hold_every_dataset_once() -> None:
    """Following `next` from the first page meets each dataset exactly once."""
    memory, seen, address = town(5), [], f"{PUBLIC}/catalog.ttl"
    while address:
        graph = feed(memory, address.removeprefix(PUBLIC))
        seen += [str(one) for one in graph.subjects(RDF.type, DCAT.Dataset)]
        following = list(graph.objects(None, URIRef(f"{HYDRA}next")))
        address = str(following[0]) if following else ""
    assert sorted(seen) == sorted(f"{PUBLIC}/datasets/{one.dataset}" for one in memory.known)


def test_no_date_lies_in_the_future() -> None:
    """A harvester drops such dates: the feed does not give them."""
    memory = town()
    later = datetime.now(UTC) + timedelta(days=2)
    memory.known = [replace(memory.known[0], modified_at=later)]
    told = str(feed(memory).value(NODE, DCTERMS.modified))
    assert datetime.fromisoformat(told) <= datetime.now(UTC)


def test_the_same_catalogue_is_the_same_bytes() -> None:
    """A harvester that asks again with the validator is told that nothing changed."""
    client = town().client()
    first, second = client.get("/catalog.ttl"), client.get("/catalog.ttl")
    assert first.content == second.content
    again = client.get("/catalog.ttl", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


def test_hostile_texts_stay_texts() -> None:
    """Quotes, brackets and line breaks in a card cannot forge a statement."""
    forged = 'x"@fr . <urn:evil> a <urn:evil> . <a> <b> "'
    memory = town()
    card = CARD | {"title": {"fr": forged}, "keywords": [forged, "a\nb"]}
    memory.known = [dataset(card=card)]
    for address, form in (("/catalog.ttl", "turtle"), ("/catalog.xml", "xml")):
        graph = feed(memory, address, form)
        assert (URIRef("urn:evil"), RDF.type, URIRef("urn:evil")) not in graph
        assert str(graph.value(NODE, DCTERMS.title)) == forged


def test_a_checksum_is_plain_text() -> None:
    """udata refuses a whole dataset whose checksum has a type; the algorithm is one it knows."""
    graph = feed(town())
    spdx = "http://spdx.org/rdf/terms#"
    [value] = graph.objects(None, URIRef(f"{spdx}checksumValue"))
    assert isinstance(value, Literal)
    assert (value.datatype, str(value)) == (None, hashlib.sha256(CSV).hexdigest())
    algorithms = set(graph.objects(None, URIRef(f"{spdx}algorithm")))
    assert algorithms == {URIRef(f"{spdx}checksumAlgorithm_sha256")}


def test_odbl_is_told_by_its_name_too() -> None:
    """data.gouv.fr does not know the address of ODbL's text: the name is what it goes by."""
    memory = town()
    memory.known = [dataset(card=CARD | {"licence": "odbl"})]
    graph = feed(memory)
    licence = graph.value(NODE, DCTERMS.license)
    assert str(licence) == "https://opendatacommons.org/licenses/odbl/1-0/"
    assert "Open Database License" in str(graph.value(licence, RDFS.label))


@pytest.mark.parametrize("page", ["0", "-1", "x", "99999999999999999999"])
def test_pages_that_are_none(page: str) -> None:
    """An impossible page is refused or empty, never an error of ours."""
    assert town().client().get(f"/catalog.ttl?page={page}").status_code in (200, 400, 404)


def news(number: int = 1) -> News:
    return News(
        f"n{number}",
        "bancs",
        "update",
        {"fr": "Mise à jour : <Bancs> & co", "en": "Update"},
        {"fr": "Texte.", "en": "Text."},
        MODIFIED,
    )


@pytest.mark.parametrize("language", ["fr", "en"])
def test_atom(language: str) -> None:
    """Entries with stable identifiers, dates and escaped titles."""
    content, media = make_feed(
        "atom", [news()], public_url=PUBLIC, city="Ville", path="/news.atom", language=language
    )
    root = ElementTree.fromstring(content)
    assert media == "application/atom+xml"
    [entry] = root.findall(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}id") == f"{PUBLIC}/news/n1"
    assert entry.findtext(f"{ATOM}title") == news().title[language]
    assert (entry.findtext(f"{ATOM}updated") or "").startswith("2026-03-01T12:30:15")


def test_rss() -> None:
    """Items with identifiers that are no addresses, and links to the dataset."""
    content, media = make_feed(
        "rss", [news()], public_url=PUBLIC, city="Ville", path="/news.rss", language="fr"
    )
    [item] = ElementTree.fromstring(content).iter("item")
    assert media == "application/rss+xml"
    assert item.findtext("link") == f"{PUBLIC}/datasets/bancs"
    guid = item.find("guid")
    assert guid is not None
    assert guid.get("isPermaLink") == "false"


def test_a_dataset_has_a_feed_of_its_own() -> None:
    """A citizen follows one dataset."""
    memory = town(2)
    memory.told = [news(1), replace(news(2), dataset="autre-1")]
    answer = memory.client().get("/datasets/bancs/news.atom")
    root = ElementTree.fromstring(answer.content)
    assert [one.findtext(f"{ATOM}id") for one in root.findall(f"{ATOM}entry")] == [
        f"{PUBLIC}/news/n1"
    ]
