"""Who acts: tokens, roles, domains; and settings that show no secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.card_file import BadCard
from shared.identity import Identities, Identity, load_identities, token_digest
from shared.settings import Settings

TOKEN = "a-token-of-somebody"


def known(role: str = "referent", *domains: str) -> Identities:
    return Identities.model_validate(
        {
            "identities": [
                {
                    "name": "espaces-verts",
                    "token_sha256": token_digest(TOKEN),
                    "roles": [role],
                    "domains": domains,
                }
            ]
        }
    )


@pytest.mark.parametrize("header", [None, "", TOKEN, f"Basic {TOKEN}", "Bearer ", "Bearer other"])
def test_who_is_not_known(header: str | None) -> None:
    """Nothing, another scheme, another token: nobody."""
    assert known().of(header) is None


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}"])
def test_who_is_known(header: str) -> None:
    """The token names its bearer."""
    found = known().of(header)
    assert found is not None
    assert found.name == "espaces-verts"


def may(role: str, act: str, domain: str | None = None, *domains: str) -> bool:
    [identity] = known(role, *domains).identities
    return identity.may(act, domain)  # type: ignore[arg-type]


def test_roles() -> None:
    """The data protection officer never decides; a sender only sends; a responsable does all."""
    assert not may("dpo", "decide")
    assert not may("dpo", "sign")
    assert may("dpo", "read")
    assert may("sender", "send")
    assert not may("sender", "declare")
    assert not may("referent", "sign")
    assert may("responsable", "sign")
    assert not may("auditor", "operate")


def test_domains() -> None:
    """A référent acts in the own domain alone."""
    assert may("referent", "decide", "espaces-verts", "espaces-verts")
    assert not may("referent", "decide", "voirie", "espaces-verts")
    assert may("referent", "decide", "voirie")


def test_a_bad_file_is_not_quoted(tmp_path: Path) -> None:
    """An identities file of another form is refused without its content."""
    path = tmp_path / "identities.yaml"
    path.write_text(f"identities:\n  - name: {TOKEN}\n")
    with pytest.raises(ValueError, match="expected form") as caught:
        load_identities(path)
    assert TOKEN not in str(caught.value)
    with pytest.raises(BadCard):
        load_identities(tmp_path / "missing.yaml")
    assert load_identities(None) == Identities()


def test_settings_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets are not in a representation, and a bad value is not quoted."""
    monkeypatch.setenv("ECLUSE_TOKEN", TOKEN)
    monkeypatch.setenv("ECLUSE_DATABASE", f"postgresql://u:{TOKEN}@h/d")
    assert TOKEN not in repr(Settings())
    monkeypatch.setenv("ECLUSE_PARTITIONS", TOKEN)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("prefix", ["lyon", "Lyon.", "-lyon.", "a" * 40 + "."])
def test_a_bad_prefix(prefix: str) -> None:
    """A prefix that Kafka or a reader would stumble over is refused."""
    with pytest.raises(ValidationError):
        Settings(prefix=prefix)


def test_names_with_a_prefix() -> None:
    """Topics and groups carry the prefix, buckets theirs."""
    found = Settings(prefix="lyon.")
    assert found.topic("ledger") == "lyon.ledger"
    assert found.group("publish.ledger") == "lyon.ecluse-publish.ledger"
    assert found.bucket("raw") == "ecluse-raw"


def test_an_identity_is_frozen() -> None:
    """Nobody gains a role in passing."""
    [identity] = known().identities
    with pytest.raises(ValidationError):
        identity.roles = ("responsable",)  # type: ignore[misc]
    assert isinstance(identity, Identity)
