"""Who acts. A token (its SHA-256 in `identities.yaml`) names a person or a program, and its roles.

identities:
  - {name: voirie-sig, token_sha256: …, roles: [sender], domains: [voirie]}
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.card_file import read_yaml
from shared.ids import DatasetId, Digest

Role = Literal["sender", "referent", "responsable", "dpo", "operator", "auditor"]
Act = Literal["send", "declare", "sign", "decide", "operate", "read"]
# The data protection officer reads and advises; only référent and responsable decide.
MAY: dict[Role, frozenset[Act]] = {
    "sender": frozenset({"send", "read"}),
    "referent": frozenset({"send", "declare", "decide", "read"}),
    "responsable": frozenset({"send", "declare", "sign", "decide", "operate", "read"}),
    "dpo": frozenset({"read"}),
    "operator": frozenset({"operate", "read"}),
    "auditor": frozenset({"read"}),
}


class Identity(BaseModel):
    """One who may act. Without `domains`, in all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str
    token_sha256: Digest
    roles: tuple[Role, ...]
    domains: tuple[DatasetId, ...] = ()

    def may(self, act: Act, domain: str | None = None) -> bool:
        """Whether this identity may do `act` (in `domain`)."""
        allowed = any(act in MAY[role] for role in self.roles)
        return allowed and (not self.domains or domain is None or domain in self.domains)


class Identities(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    identities: tuple[Identity, ...] = ()

    def of(self, authorization: str | None) -> Identity | None:
        """Who bears this `Authorization: Bearer …` header; None if nobody known."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        digest = token_digest(token)
        for identity in self.identities:
            if hmac.compare_digest(identity.token_sha256, digest):
                return identity
        return None


def token_digest(token: str) -> Digest:
    return hashlib.sha256(token.encode()).hexdigest()


def load_identities(path: Path | None) -> Identities:
    """The identities of the file; without one, nobody. Raises ValueError without its content."""
    if path is None:
        return Identities()
    try:
        return Identities.model_validate(read_yaml(path))
    except ValidationError:
        raise ValueError("the identities file is not of the expected form") from None
