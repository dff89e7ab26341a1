"""What the demo does, as the people of a city would: declare, sign, send, look, approve."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ecluse.client import Client
from shared.card import Card
from shared.card_file import load_card, load_strategy
from shared.policy_signature import load_private, sign_policy

CITY = Path(__file__).parent / "city"
STOPPED = "signalements-voirie"
UPDATED = "stationnement-velos"
PATIENCE_SECONDS = 120.0


@dataclass
class Sent:
    """One change on its way."""

    dataset: str
    change: str
    what: str
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """It has an end, or a person has to act."""
        return bool(self.state.get("end")) or self.state.get("state") == "quarantined"


def cards() -> dict[str, Card]:
    """The city's cards by dataset."""
    strategy = load_strategy(CITY / "strategy.yaml")
    found = [load_card(path, strategy) for path in sorted(CITY.glob("*/card.yaml"))]
    return {card.dataset: card for card in found}


def data_file(dataset: str) -> Path:
    """The dataset's data."""
    return next((CITY / dataset).glob("data.*"))


def declare_and_sign(client: Client, key_file: Path, city: dict[str, Card]) -> None:
    """Puts every card and its policy in force."""
    key = load_private(key_file)
    who = client.get("/me")["name"]
    for card in city.values():
        client.post("/datasets", card.body())
        signature = sign_policy(card, key, who, datetime.now(UTC).date())
        body = signature.model_dump(mode="json")
        client.post(f"/datasets/{card.dataset}/signature", body)


def send(client: Client, dataset: str, file: Path, what: str, kind: str = "update") -> Sent:
    """Sends a file as a domain system would."""
    return Sent(dataset, client.send_file(dataset, file, kind)["change"], what)


def look(client: Client, sent: list[Sent]) -> None:
    """Asks what became of each change."""
    for one in sent:
        if one.settled:
            continue
        found = client.get("/changes", id=one.change)["changes"]
        if found:
            one.state = found[0]


def approve_waiting(client: Client) -> int:
    """Approves what waits for a person; how many."""
    waiting = client.get("/publications", state="waiting")["publications"]
    for publication in waiting:
        body = {
            "verdict": "approved",
            "reason": "Première publication relue pour la démonstration.",
        }
        client.post(f"/releases/{publication['release']}/decision", body)
    return len(waiting)


def until_settled(
    client: Client, sent: list[Sent], shown: Callable[[list[Sent]], None], check: Callable[[], None]
) -> bool:
    """Looks on, approving as the responsable, until all is settled; False when it takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        check()
        look(client, sent)
        approve_waiting(client)
        shown(sent)
        if all(one.settled for one in sent):
            return True
        time.sleep(0.3)
    return False
