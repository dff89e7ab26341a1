"""A dataset in udata's words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.publish.portals import udata_answers as answers
from services.publish.portals import udata_words as words
from services.publish.portals.wanted import make_wanted
from shared.card_file import BadCard
from tests.cards import card


class Publication:
    """A row of `publications`, as far as portals need it."""

    dataset = "bancs"
    release = "r" + "0" * 31
    occurred_at = datetime(2026, 3, 1, tzinfo=UTC)
    updated_at: datetime | None = None
    files = (
        {"role": "data", "format": "csv", "name": "bancs.csv", "media_type": "text/csv",
         "bytes": 10, "sha256": "0" * 64, "bucket": "staged", "key": "x", "rows": 1},
        {"role": "preview", "format": "json", "name": "preview.json", "media_type": "a/b",
         "bytes": 10, "sha256": "0" * 64, "bucket": "staged", "key": "x", "rows": 1},
    )  # fmt: skip


KNOWN = words.Known(
    licences={"lov2", "notspecified"},
    granularities={"poi", "other"},
    zones={"fr:commune:69123": ("fr:commune:69123",)},
    schemas=(),
    contact="c1",
)


def test_what_the_portal_does_not_have_is_left_out_and_said() -> None:
    """An unknown licence falls back, an unknown zone and schema are left out: each with a warning."""
    schema = {"name": "etalab/bancs", "version": "1.0.0"}
    wanted = make_wanted(
        card(
            licence="odbl",
            departures={"licence": "une source sous ODbL"},
            spatial={"zones": ["fr:commune:69123", "fr:epci:0"], "granularity": "maison"},
            schema=schema,
        ),
        Publication(),
        "http://ville.example/",
    )
    told = words.describe(wanted, KNOWN)
    assert (told.dataset["license"], told.dataset["spatial"]) == (
        "notspecified",
        {"zones": ["fr:commune:69123"], "granularity": "other"},
    )
    assert [(one.code, one.expected) for one in told.warnings] == [
        ("portal_licence_unknown", "odc-odbl"),
        ("portal_zone_unknown", "fr:epci:0"),
        ("portal_schema_unknown", "etalab/bancs"),
    ]


def test_only_data_files_go_by_their_stable_address() -> None:
    """Previews stay at home; an address has no version; ids follow from the URI for ever."""
    wanted = make_wanted(card(), Publication(), "http://ville.example/")
    told = words.describe(wanted, KNOWN)
    [(uri, resource)] = told.resources.items()
    assert uri == "http://ville.example/datasets/bancs#csv"
    assert resource["url"] == "http://ville.example/datasets/bancs/bancs.csv"
    assert words.resource_id(uri) == "7bf445f3-4571-576f-bc96-9392c3077156"


def test_tags_are_written_as_the_portal_writes_them() -> None:
    """Lower case, no accents, hyphens; what is too short is no tag."""
    assert [words.tag(one) for one in ("Mobilier urbain", "Œuvre d'été", "eau", "à")] == [
        "mobilier-urbain",
        "oeuvre-d-ete",
        "eau",
        None,
    ]


def test_a_resource_with_our_key_twice_is_somebody_elses() -> None:
    """A person copied it: the first is ours."""
    resource = {"url": "u", "extras": {words.FILE_KEY: "uri#csv"}}
    seen = answers.seen(
        {"id": "1", "resources": [{"id": "a", **resource}, {"id": "b", **resource}]}
    )
    assert (seen.ids.resources, seen.others) == ({"uri#csv": "a"}, ("b",))


def test_the_date_is_that_of_the_data() -> None:
    """Not of the event; a source that says a day to come is not believed further than today."""
    made = Publication()
    came = made.occurred_at
    assert make_wanted(card(), made, "http://ville.example").modified_at == came
    for said, told in (
        (datetime(2025, 1, 1, tzinfo=UTC),) * 2,
        (datetime(2027, 1, 1, tzinfo=UTC), came),
    ):
        made.updated_at = said
        assert make_wanted(card(), made, "http://ville.example").modified_at == told


SUGGESTED = [
    {"id": "fr:commune:93066", "code": "93066", "name": "Saint-Denis"},
    {"id": "fr:commune:97411", "code": "97411", "name": "Saint-Denis"},
    {"id": "fr:commune:93070", "code": "93070", "name": "Saint-Denis-en-Val"},
    {"id": "fr:departement:84", "code": "84", "name": "Vaucluse"},
    {"id": "fr:region:84", "code": "84", "name": "Auvergne-Rhône-Alpes"},
    {"id": "fr:commune:84084", "code": "84084", "name": "Mormoiron"},
]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("93066", ("fr:commune:93066",)),
        ("saint denis en val", ("fr:commune:93070",)),
        ("Saint-Denis", ("fr:commune:93066", "fr:commune:97411")),
        ("84", ("fr:departement:84", "fr:region:84")),
        ("Denis", ()),
        ("9306", ()),
    ],
)
def test_a_zone_is_meant_by_its_whole_code_or_name(asked: str, found: tuple[str, ...]) -> None:
    """The portal searches parts of words; a part of a code is another territory."""
    assert words.zones_meant(asked, SUGGESTED) == found


def test_a_name_is_searched_by_its_longest_word() -> None:
    """The portal looks for the letters as they are: hyphens and apostrophes are written in two ways."""
    told = [words.searched(one) for one in ("69123", "saint denis", "L’Haÿ-les-Roses", "Y")]
    assert told == ["69123", "denis", "Roses", "Y"]


def test_a_territory_that_may_be_several_is_none() -> None:
    """Nothing is guessed: the card's author is told which there are."""
    several = ("fr:commune:93066", "fr:commune:97411")
    known = words.Known(**{**vars(KNOWN), "zones": {"Saint-Denis": several, "69123": ("z",)}})
    told = words.describe(
        make_wanted(
            card(spatial={"zones": ["Saint-Denis", "69123"], "granularity": "point"}),
            Publication(),
            "http://ville.example",
        ),
        known,
    )
    assert told.dataset["spatial"] == {"zones": ["z"], "granularity": "poi"}
    [warning] = told.warnings
    assert (warning.code, warning.found) == ("portal_zone_several", ", ".join(several))


@pytest.mark.parametrize("zone", ["FR:commune:69123", " Lyon", "fr:", "", 69123])
def test_what_is_no_zone_code_or_name_is_refused(zone: object) -> None:
    """A number without quotes may have lost its first zero."""
    with pytest.raises(BadCard, match="spatial"):
        card(spatial={"zones": [zone], "granularity": "point"})
