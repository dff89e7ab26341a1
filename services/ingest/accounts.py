"""Accounts of sources: credentials by name, from a file of the settings, never from a card or event.

accounts:
  - {name: sig, hosts: ["sftp.sig.example:22"], user: ecluse, password_file: /run/secrets/sig,
     known_hosts: /etc/ecluse/known_hosts}
databases:
  - {name: gestion, url_file: /run/secrets/gestion}

An account is used for its own hosts alone: an event cannot carry a city's password elsewhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from shared.card_file import BadCard, read_yaml
from shared.failures import Quarantined
from shared.messages import Reason

T = TypeVar("T", bound="_Named")
_TOKEN = re.compile(r"[\x21-\x7e]+")


class _Named(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str


class Account(_Named):
    """Who Écluse is on some hosts: `host` or `host:port`, over SFTP or http(s)."""

    hosts: tuple[str, ...] = Field(min_length=1)
    user: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    key_file: Path | None = Field(default=None, description="SFTP: an OpenSSH private key")
    known_hosts: Path | None = Field(default=None, description="SFTP: the hosts' keys, required")
    token_file: Path | None = Field(default=None, description="http: sent as a bearer token")

    def is_for(self, host: str | None, port: int | None) -> bool:
        """Whether these credentials may be shown to that host."""
        known = {one.lower() for one in self.hosts}
        return host is not None and bool({host.lower(), f"{host.lower()}:{port}"} & known)

    def secret(self) -> str | None:
        """The password, read at each use: it may be changed while Écluse runs."""
        if self.password_file is not None:
            return _content(self.password_file)
        return None if self.password is None else self.password.get_secret_value()

    def token(self) -> str | None:
        """The bearer token, read at each use. Raises Quarantined(`account_unknown`) for what cannot
        be one (RFC 6750, 2.1): sent, it would be no header, or another's."""
        if self.token_file is None:
            return None
        token = _content(self.token_file)
        if not _TOKEN.fullmatch(token):
            raise Quarantined(Reason(code="account_unknown", detail="file"))
        return token


class Database(_Named):
    """A declared database: an SQLAlchemy URL, of a role that reads."""

    url: SecretStr | None = None
    url_file: Path | None = None

    @model_validator(mode="after")
    def _one_url(self) -> Database:
        if (self.url is None) == (self.url_file is None):
            raise ValueError("has either `url` or `url_file`")
        return self

    def address(self) -> str:
        """The URL, read at each use."""
        return _content(self.url_file) if self.url_file else self.url.get_secret_value()  # type: ignore[union-attr]  # one of both


class Accounts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    accounts: tuple[Account, ...] = ()
    databases: tuple[Database, ...] = ()

    def account(self, name: str | None) -> Account | None:
        """The account of that name. Raises Quarantined(`account_unknown`)."""
        return None if name is None else _of_name(self.accounts, name)

    def database(self, name: str) -> Database:
        """The database of that name. Raises Quarantined(`account_unknown`)."""
        return _of_name(self.databases, name)


def _of_name(known: tuple[T, ...], name: str) -> T:
    found = next((one for one in known if one.name == name), None)
    if found is None:
        raise Quarantined(Reason(code="account_unknown", expected=name))
    return found


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise Quarantined(Reason(code="account_unknown", detail="file")) from None


def load_accounts(path: Path | None) -> Accounts:
    """The accounts of the file; without one, none. Raises ValueError without its content."""
    if path is None:
        return Accounts()
    try:
        return Accounts.model_validate(read_yaml(path))
    except (ValidationError, BadCard):
        raise ValueError("the file of sources' accounts is not of the expected form") from None
