"""`make demo ARGS=--once`: is what should be public public, in every format, and nothing else?"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import Any

import httpx
import pyarrow.parquet as pq

from deploy.demo.story import STOPPED, UPDATED, Sent
from shared.card import Card


def check_city(portal: str, city: dict[str, Card], sent: list[Sent]) -> list[str]:
    """What is wrong; empty when all is as it should be."""
    wrong = []
    with httpx.Client(timeout=30, trust_env=False) as client:
        for dataset, card in city.items():
            if dataset == STOPPED:
                if client.get(f"{portal}/datasets/{dataset}").status_code != 404:
                    wrong.append(f"{dataset} has a page although it was stopped")
            else:
                wrong += [f"{dataset}: {what}" for what in _dataset(client, portal, card)]
        news, feed = client.get(f"{portal}/news.atom"), client.get(f"{portal}/catalog.ttl")
        if news.status_code != 200 or news.text.count("<entry>") != len(city):
            wrong.append(f"the news feed has {news.text.count('<entry>')} items")
        if feed.text.count("a dcat:Dataset") != len(city) - 1:
            wrong.append("the catalogue does not list every public dataset once")
    for one in sent:
        wanted = "quarantined" if one.dataset == STOPPED else "published"
        if (one.state.get("end") or one.state.get("state")) != wanted:
            wrong.append(f"{one.dataset} ({one.what}) did not end as {wanted}")
        codes = {reason["code"] for reason in one.state.get("reasons", [])}
        if one.dataset == STOPPED and not codes & {"finding_email", "finding_phone"}:
            wrong.append(f"{one.dataset} was stopped for another reason")
    return wrong


def _dataset(client: httpx.Client, portal: str, card: Card) -> list[str]:
    base = f"{portal}/datasets/{card.dataset}"
    if client.get(base).status_code != 200:
        return ["no page"]
    package: dict[str, Any] = client.get(f"{base}/datapackage.json").json()
    wrong, counts = [], set()
    for resource in package["resources"]:
        answer = client.get(f"{base}/{resource['path']}")
        digest = hashlib.sha256(answer.content).hexdigest()
        if answer.status_code != 200 or f"sha256:{digest}" != resource["hash"]:
            wrong.append(f"{resource['path']} is not the file that was announced")
            continue
        if (rows := _rows(resource["format"], answer.content)) is not None:
            counts.add(rows)
        if any(name.encode() in answer.content for name in _dropped(card)):
            wrong.append(f"{resource['path']} names a dropped column")
    if not set(card.formats or ()) <= {one["format"] for one in package["resources"]}:
        wrong.append("a format is missing")
    if len(counts) > 1:
        wrong.append("the formats do not hold the same number of rows")
    if card.dataset == UPDATED and counts != {186}:
        wrong.append("the update is not what is public")
    return wrong


def _dropped(card: Card) -> list[str]:
    return [name for name, rule in card.privacy.columns.items() if rule.action == "drop"]


def _rows(form: str, content: bytes) -> int | None:
    if form == "csv":
        return sum(1 for _ in csv.reader(io.StringIO(content.decode(), newline=""))) - 1
    if form == "json":
        return len(json.loads(content))
    if form == "parquet":
        return int(pq.read_metadata(io.BytesIO(content)).num_rows)
    return None
