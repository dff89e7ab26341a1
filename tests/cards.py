"""A card for tests: the benches of a city."""

from __future__ import annotations

from ruamel.yaml import YAML

from shared.card import Card
from shared.card_file import check_card
from shared.strategy import Strategy

STRATEGY = Strategy(city="Ville d'essai", first="automatic")
CARD = """
dataset: bancs
domain: espaces-verts
title: {fr: Bancs publics, en: Public benches}
description: {fr: Les bancs de la ville., en: The city's benches.}
keywords: [banc, mobilier urbain]
legal_notes: Aucune.
licence: lov2
attribution: Ville d'essai
producer: {name: Ville d'essai, siren: "210000000"}
contact: {name: Espaces verts, email: espaces-verts@ville.example}
spatial: {zones: ["fr:commune:69123"], label: Ville d'essai, granularity: point}
temporal: {from: 2020-01-01}
frequency: monthly
subject: none
source: {format: csv}
formats: [csv, json, parquet]
schema:
  fields:
    - {name: id, type: string}
    - {name: places, type: integer}
  primaryKey: [id]
privacy:
  columns: {id: keep, places: keep}
  decided: {by: responsable open data, date: 2026-03-01, until: 2031-03-01}
  dpo_opinion: {opinion: favourable, date: 2026-02-20}
"""


def card(**fields: object) -> Card:
    """The benches' card, with `fields` replaced."""
    body = YAML(typ="safe").load(CARD)
    return check_card(body | fields, STRATEGY)
