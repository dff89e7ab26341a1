"""The signature that puts a policy in force."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from shared.card import Card
from shared.failures import Quarantined
from shared.policy_signature import (
    check_policy,
    key_digest,
    load_private,
    load_trusted,
    new_key,
    private_pem,
    public_pem,
    sign_policy,
)

KEY = new_key()
TRUSTED = {key_digest(KEY.public_key()): KEY.public_key()}
TODAY = dt.date(2026, 6, 1)


def card(**changes: Any) -> Card:
    privacy: dict[str, Any] = {
        "decided": {"by": "responsable", "date": "2026-03-01", "until": "2027-03-01"},
        "columns": {"id": "keep", "agent": "drop"},
    }
    return Card.model_validate(
        {
            "dataset": "arbres",
            "domain": "espaces-verts",
            "title": "Arbres",
            "description": "Arbres suivis par la ville.",
            "subject": "none",
            "privacy": privacy | changes.pop("privacy", {}),
        }
        | changes
    )


def signed(plain: Card) -> Card:
    return plain.model_copy(update={"signature": sign_policy(plain, KEY, "responsable", TODAY)})


def stopped(with_signature: Card, today: dt.date = TODAY, trusted: Any = TRUSTED) -> str:
    with pytest.raises(Quarantined) as failure:
        check_policy(with_signature, today, trusted)
    return failure.value.reasons[0].code


def test_a_signed_policy_is_in_force_to_its_last_day() -> None:
    """It holds until the decision's end, that day included, and not one day longer."""
    check_policy(signed(card()), TODAY, TRUSTED)
    check_policy(signed(card()), dt.date(2027, 3, 1), TRUSTED)
    assert stopped(signed(card()), dt.date(2027, 3, 2)) == "policy_expired"


def test_a_decision_without_end_holds() -> None:
    """A decision need not have an end."""
    endless = card(privacy={"decided": {"by": "responsable", "date": "2026-03-01"}})
    check_policy(signed(endless), dt.date(2100, 1, 1), TRUSTED)


def test_the_signature_survives_the_card_s_copy() -> None:
    """The pinned copy of a card, read back from JSON, is as signed as the card."""
    copy = Card.model_validate(signed(card()).body())
    check_policy(copy, TODAY, TRUSTED)


def test_without_signature_key_or_decision_nothing_is_in_force() -> None:
    """A draft, a foreign key and an undecided policy each stop, with their own reason."""
    assert stopped(card()) == "policy_unsigned"
    assert stopped(signed(card()), trusted={}) == "policy_key_untrusted"
    assert stopped(signed(card(privacy={"decided": None}))) == "policy_undecided"


@pytest.mark.parametrize(
    "changes",
    [
        {"privacy": {"columns": {"id": "keep", "agent": "keep"}}},
        {"privacy": {"columns": {"id": "keep"}}},
        {"privacy": {"columns": {"id": "keep", "agent": {"drop": "security"}}}},
        {
            "privacy": {
                "decided": {"by": "responsable", "date": "2026-03-01", "until": "2099-01-01"}
            }
        },
        {
            "privacy": {
                "accepted_findings": [
                    {"column": "id", "detector": "phone", "reason": "numéro d'inventaire"}
                ]
            }
        },
        {"subject": "enterprises"},
        {"dataset": "autres-arbres"},
        {"schema": {"fields": [{"name": "id", "type": "integer"}]}},
    ],
    ids=["keep", "column", "ground", "until", "accepted", "subject", "dataset", "type"],
)
def test_what_was_signed_cannot_be_changed(changes: dict[str, Any]) -> None:
    """Any change to policy, subject, dataset or schema needs a new signature."""
    signature = signed(card()).signature
    changed = card(**changes).model_copy(update={"signature": signature})
    assert stopped(changed) == "policy_signature_invalid"


@pytest.mark.parametrize(
    "change", [{"by": "somebody"}, {"at": dt.date(2026, 6, 2)}, {"value": "0" * 128}]
)
def test_the_signer_cannot_be_changed(change: dict[str, Any]) -> None:
    """Who signed, when and the signature itself are covered."""
    original = signed(card())
    assert original.signature
    forged = original.model_copy(update={"signature": original.signature.model_copy(update=change)})
    assert stopped(forged) == "policy_signature_invalid"


def test_a_title_may_change() -> None:
    """What is no part of the policy needs no new signature."""
    retitled = signed(card()).model_copy(update={"title": {"fr": "Arbres de la ville"}})
    check_policy(retitled, TODAY, TRUSTED)


def test_a_key_s_digest_is_that_of_its_raw_bytes() -> None:
    """A key is named by SHA-256 of its 32 bytes."""
    raw = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert key_digest(KEY.public_key()) == hashlib.sha256(raw).hexdigest()


def test_keys_survive_their_files(tmp_path: Path) -> None:
    """Keys written as PEM are read back, several trusted ones from one file with words between."""
    other = new_key()
    private, trusted = tmp_path / "key.pem", tmp_path / "trusted.pem"
    private.write_bytes(private_pem(KEY))
    trusted.write_bytes(b"# responsable\n" + public_pem(KEY) + b"\n# autre\n" + public_pem(other))
    assert private_pem(load_private(private)) == private_pem(KEY)
    read = load_trusted(trusted)
    assert set(read) == {key_digest(KEY.public_key()), key_digest(other.public_key())}
    check_policy(signed(card()), TODAY, read)


def test_no_file_of_trusted_keys_trusts_nobody() -> None:
    """Without a file no signature is good enough."""
    assert load_trusted(None) == {}


@pytest.mark.parametrize(
    "content", [b"secret-1234", b"-----BEGIN PUBLIC KEY-----\nsecret\n-----END PUBLIC KEY-----"]
)
def test_unreadable_keys_are_told_without_their_content(content: bytes, tmp_path: Path) -> None:
    """A file that is no key raises ValueError, whose text holds nothing of it."""
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    for load in (load_private, load_trusted):
        with pytest.raises(ValueError) as failure:
            load(path)
        assert "secret" not in str(failure.value)
        assert failure.value.__suppress_context__ or failure.value.__context__ is None


def test_other_kinds_of_key_are_refused(tmp_path: Path) -> None:
    """Only Ed25519 keys sign and are trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = tmp_path / "key.pem", tmp_path / "trusted.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(ValueError, match="Ed25519"):
        load_private(private)
    with pytest.raises(ValueError, match="Ed25519"):
        load_trusted(public)
