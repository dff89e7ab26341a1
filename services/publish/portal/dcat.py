"""The catalogue feed: DCAT-AP 3, as data.gouv.fr's harvester reads it.

Pages complete in themselves, stable identifiers and download addresses without versions, no
redirect, no date in the future, temporal coverage on a blank node.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rdflib import BNode, Graph, Literal, Namespace, URIRef
from rdflib.compare import to_canonical_graph
from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, RDFS, SKOS, XSD

from services.publish.portal.catalogue import Dataset, File
from shared.formats import FORMATS as FILE_FORMATS
from shared.strategy import LICENCES

VCARD = Namespace("http://www.w3.org/2006/vcard/ns#")
SPDX = Namespace("http://spdx.org/rdf/terms#")
HYDRA = Namespace("http://www.w3.org/ns/hydra/core#")
GSP = Namespace("http://www.opengis.net/ont/geosparql#")
EU = "http://publications.europa.eu/resource/authority/"
IANA = "https://www.iana.org/assignments/media-types/"
PAGE = 100
FORMATS = {"ttl": "turtle", "jsonld": "json-ld", "xml": "pretty-xml"}
MEDIA = {"ttl": "text/turtle", "jsonld": "application/ld+json", "xml": "application/rdf+xml"}
FREQUENCIES = {
    "continuous": "UPDATE_CONT", "hourly": "HOURLY", "daily": "DAILY", "semiweekly": "WEEKLY_2",
    "weekly": "WEEKLY", "biweekly": "BIWEEKLY", "semimonthly": "MONTHLY_2", "monthly": "MONTHLY",
    "bimonthly": "BIMONTHLY", "quarterly": "QUARTERLY", "threeTimesAYear": "ANNUAL_3",
    "semiannual": "ANNUAL_2", "annual": "ANNUAL", "biennial": "BIENNIAL",
    "triennial": "TRIENNIAL", "quinquennial": "QUINQUENNIAL", "punctual": "AS_NEEDED",
    "irregular": "IRREG", "unknown": "UNKNOWN",
}  # fmt: skip
_PREFIXES: dict[str, Any] = {
    "dcat": DCAT,
    "dct": DCTERMS,
    "vcard": VCARD,
    "foaf": FOAF,
    "spdx": SPDX,
    "hydra": HYDRA,
}
# A harvester that does not know a licence by its address is told the name that it knows: udata
# guesses by address or name, and data.gouv.fr lists ODbL under its summary's address.
_LICENCE_NAMES = {LICENCES["odbl"][1]: "Open Data Commons Open Database License (ODbL)"}


def make_page(
    datasets: Sequence[Dataset],
    files: Sequence[File],
    *,
    public_url: str,
    city: str,
    suffix: str,
    page: int,
    size: int = PAGE,
    path: str = "/catalog",
) -> tuple[bytes, str]:
    """One page of the feed and its ETag. `page` counts from 1; an empty page is still a page.

    `path`: where the feed lies, without suffix; the catalogue that it describes is the same.
    """
    graph = Graph()
    _bind(graph)
    catalog = URIRef(f"{public_url}/catalog")
    chosen = datasets[(page - 1) * size : page * size]
    last = max(1, -(-len(datasets) // size))
    _catalog(graph, catalog, city, public_url)
    address = f"{public_url}{path}.{suffix}?page="
    view = URIRef(f"{address}{page}")
    graph.add((view, RDF.type, HYDRA.PartialCollectionView))
    graph.add((view, HYDRA.first, URIRef(f"{address}1")))
    graph.add((view, HYDRA.last, URIRef(f"{address}{last}")))
    if page < last:
        graph.add((view, HYDRA.next, URIRef(f"{address}{page + 1}")))
    for dataset in chosen:
        mine = [one for one in files if one.dataset == dataset.dataset and one.role == "data"]
        _dataset(graph, catalog, dataset, mine, public_url, city)
    # Blank nodes are named by content: the same catalogue is the same bytes, and the same ETag.
    content = to_canonical_graph(graph)
    named = Graph()
    _bind(named)
    for triple in sorted(content):
        named.add(triple)
    body = named.serialize(format=FORMATS[suffix], encoding="utf-8")
    digest = hashlib.sha256("\n".join(sorted(str(t) for t in content)).encode()).hexdigest()
    return body, digest


def _bind(graph: Graph) -> None:
    for prefix, space in _PREFIXES.items():
        graph.bind(prefix, space)


def _catalog(graph: Graph, catalog: URIRef, city: str, public_url: str) -> None:
    graph.add((catalog, RDF.type, DCAT.Catalog))
    graph.add((catalog, DCTERMS.title, Literal(f"Données ouvertes : {city}", lang="fr")))
    graph.add(
        (
            catalog,
            DCTERMS.description,
            Literal(f"Le catalogue des données ouvertes de {city}.", lang="fr"),
        )
    )
    graph.add((catalog, FOAF.homepage, URIRef(f"{public_url}/")))
    graph.add((URIRef(f"{public_url}/"), RDF.type, FOAF.Document))
    graph.add((catalog, DCTERMS.publisher, _publisher(graph, city)))
    language = URIRef(f"{EU}language/FRA")
    graph.add((language, RDF.type, DCTERMS.LinguisticSystem))
    graph.add((catalog, DCTERMS.language, language))


def _publisher(graph: Graph, name: str) -> BNode:
    agent = BNode()
    graph.add((agent, RDF.type, FOAF.Agent))
    graph.add((agent, RDF.type, FOAF.Organization))
    graph.add((agent, FOAF.name, Literal(name)))
    return agent


def _dataset(
    graph: Graph,
    catalog: URIRef,
    dataset: Dataset,
    files: Sequence[File],
    public_url: str,
    city: str,
) -> None:
    card = dataset.card
    node = URIRef(f"{public_url}/datasets/{dataset.dataset}")
    add = graph.add
    add((catalog, DCAT.dataset, node))
    add((node, RDF.type, DCAT.Dataset))
    add((node, DCTERMS.identifier, Literal(str(node))))
    for language in ("fr", "en"):
        if card["title"].get(language):
            add((node, DCTERMS.title, Literal(card["title"][language], lang=language)))
        if card["description"].get(language):
            add((node, DCTERMS.description, Literal(card["description"][language], lang=language)))
    for keyword in card.get("keywords", []):
        add((node, DCAT.keyword, Literal(keyword, lang="fr")))
    add((node, DCAT.landingPage, node))
    add((node, RDF.type, FOAF.Document))
    add((node, DCTERMS.issued, _moment(dataset.first_published_at)))
    add((node, DCTERMS.modified, _moment(dataset.modified_at)))
    _coded(graph, node, DCTERMS.accessRights, f"{EU}access-right/PUBLIC", DCTERMS.RightsStatement)
    if card.get("frequency"):
        code = FREQUENCIES[card["frequency"]]
        _coded(graph, node, DCTERMS.accrualPeriodicity, f"{EU}frequency/{code}", DCTERMS.Frequency)
    if card.get("theme"):
        _coded(graph, node, DCAT.theme, f"{EU}data-theme/{card['theme']}", SKOS.Concept)
    if card.get("hvd"):
        category = f"http://data.europa.eu/bna/{card['hvd']}"
        _coded(graph, node, DCAT.theme, category, SKOS.Concept)
        graph.add((node, URIRef("http://data.europa.eu/r5r/hvdCategory"), URIRef(category)))
    _people(graph, node, card, city)
    _coverage(graph, node, card)
    for file in files:
        _distribution(graph, node, dataset, file, public_url)
    if card.get("api") and card.get("exposure", "dataset") != "dataset":
        _service(graph, catalog, node, dataset, city)


def _service(graph: Graph, catalog: URIRef, node: URIRef, dataset: Dataset, city: str) -> None:
    """The API that the card declares (DCAT 3, 6.9): on the page of the dataset that it serves."""
    card, api = dataset.card, dataset.card["api"]
    service = URIRef(f"{node}#api")
    add = graph.add
    add((catalog, DCAT.service, service))
    add((service, RDF.type, DCAT.DataService))
    add((service, DCTERMS.identifier, Literal(str(service))))
    title = (api.get("title") or {}).get("fr") or f"{dataset.title('fr')} (API)"
    add((service, DCTERMS.title, Literal(title, lang="fr")))
    add((service, DCTERMS.description, Literal(card["description"]["fr"], lang="fr")))
    for predicate, address in (
        (DCAT.endpointURL, api["url"]),
        (DCAT.endpointDescription, api.get("description")),
        (FOAF.page, api.get("documentation")),
    ):
        if address:
            add((service, predicate, URIRef(address)))
            add((URIRef(address), RDF.type, RDFS.Resource))
    if api.get("documentation"):
        add((URIRef(api["documentation"]), RDF.type, FOAF.Document))
    for keyword in card.get("keywords", []):
        add((service, DCAT.keyword, Literal(keyword, lang="fr")))
    add((service, DCAT.landingPage, node))
    add((service, DCAT.servesDataset, node))
    licence = LICENCES[card.get("licence", "lov2")][1]
    _coded(graph, service, DCTERMS.license, licence, DCTERMS.LicenseDocument)
    _people(graph, service, card, city)


def _people(graph: Graph, node: URIRef, card: dict[str, Any], city: str) -> None:
    producer = card.get("producer", {}).get("name", city)
    graph.add((node, DCTERMS.publisher, _publisher(graph, producer)))
    if contact := card.get("contact"):
        point = BNode()
        graph.add((node, DCAT.contactPoint, point))
        graph.add((point, RDF.type, VCARD.Organization))
        graph.add((point, RDF.type, VCARD.Kind))
        graph.add((point, VCARD.fn, Literal(contact["name"])))
        graph.add((point, VCARD.hasEmail, URIRef(f"mailto:{contact['email']}")))


def _coverage(graph: Graph, node: URIRef, card: dict[str, Any]) -> None:
    if temporal := card.get("temporal"):
        period = BNode()
        graph.add((node, DCTERMS.temporal, period))
        graph.add((period, RDF.type, DCTERMS.PeriodOfTime))
        graph.add((period, DCAT.startDate, Literal(temporal["from"], datatype=XSD.date)))
        if temporal.get("to"):
            graph.add((period, DCAT.endDate, Literal(temporal["to"], datatype=XSD.date)))
    if bbox := (card.get("spatial") or {}).get("bbox"):
        west, south, east, north = bbox
        shape = (
            f"POLYGON(({west} {south},{east} {south},{east} {north},{west} {north},{west} {south}))"
        )
        place = BNode()
        graph.add((node, DCTERMS.spatial, place))
        graph.add((place, RDF.type, DCTERMS.Location))
        graph.add((place, DCAT.bbox, Literal(shape, datatype=GSP.wktLiteral)))


def _distribution(
    graph: Graph, node: URIRef, dataset: Dataset, file: File, public_url: str
) -> None:
    address = URIRef(f"{public_url}/datasets/{dataset.dataset}/{file.name}")
    one = URIRef(f"{node}#{file.format}")
    add = graph.add
    add((node, DCAT.distribution, one))
    add((one, RDF.type, DCAT.Distribution))
    add((one, DCTERMS.identifier, Literal(f"{dataset.dataset}-{file.format}")))
    title = f"{dataset.title('fr')} ({file.format.upper()})"
    add((one, DCTERMS.title, Literal(title, lang="fr")))
    add((one, DCTERMS.description, Literal(f"{title}, {file.rows or 0} lignes.", lang="fr")))
    add((one, DCAT.downloadURL, address))
    add((one, DCAT.accessURL, address))
    add((address, RDF.type, RDFS.Resource))
    add((one, DCAT.byteSize, Literal(file.bytes, datatype=XSD.nonNegativeInteger)))
    _coded(graph, one, DCAT.mediaType, f"{IANA}{file.media_type}", DCTERMS.MediaType)
    if code := FILE_FORMATS[file.format].file_type:
        _coded(graph, one, DCTERMS.format, f"{EU}file-type/{code}", DCTERMS.MediaTypeOrExtent)
    licence = LICENCES[dataset.card.get("licence", "lov2")][1]
    _coded(graph, one, DCTERMS.license, licence, DCTERMS.LicenseDocument)
    add((node, DCTERMS.license, URIRef(licence)))
    if name := _LICENCE_NAMES.get(licence):
        add((URIRef(licence), RDFS.label, Literal(name)))
    add((one, DCTERMS.issued, _moment(dataset.first_published_at)))
    add((one, DCTERMS.modified, _moment(file.modified_at)))
    stable = f"{EU}planned-availability/STABLE"
    availability = URIRef("http://data.europa.eu/r5r/availability")
    _coded(graph, one, availability, stable, SKOS.Concept)
    check = BNode()
    add((one, SPDX.checksum, check))
    add((check, RDF.type, SPDX.Checksum))
    add((check, SPDX.algorithm, SPDX.checksumAlgorithm_sha256))
    # Plain text, although DCAT-AP says hexBinary: udata 17 takes a typed value for bytes, and then
    # refuses the whole dataset.
    add((check, SPDX.checksumValue, Literal(file.sha256)))


def _coded(graph: Graph, subject: URIRef, predicate: URIRef, uri: str, kind: URIRef) -> None:
    """A node of a code list, with the type that DCAT-AP's ranges ask for."""
    graph.add((subject, predicate, URIRef(uri)))
    graph.add((URIRef(uri), RDF.type, kind))


def _moment(moment: datetime) -> Literal:
    """UTC; never in the future, since a harvester drops such a date."""
    safe = min(moment, datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    return Literal(safe.isoformat().replace("+00:00", "Z"), datatype=XSD.dateTime)
