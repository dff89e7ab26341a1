"""Signs a policy and checks the signature: Ed25519 (RFC 8032), keys in PEM.

The signature covers the dataset, the policy, the schema it was decided for, who signs and when: none
of them can be changed without a new one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from shared.card import Card, canonical
from shared.card_parts import Signature
from shared.failures import Quarantined
from shared.ids import Digest
from shared.messages import Reason

Trusted = Mapping[Digest, Ed25519PublicKey]
_PUBLIC_KEY = re.compile(b"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\\s*", re.DOTALL)


def new_key() -> Ed25519PrivateKey:
    """A new signing key."""
    return Ed25519PrivateKey.generate()


def private_pem(key: Ed25519PrivateKey) -> bytes:
    """The signing key as PEM (PKCS #8, not encrypted): a file that its owner alone may read."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """The public half as PEM (SubjectPublicKeyInfo), for the file of trusted keys."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_digest(key: Ed25519PublicKey) -> Digest:
    """Names a public key: SHA-256 of its raw 32 bytes."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()


def load_private(path: Path) -> Ed25519PrivateKey:
    """The signing key of a PEM file. Raises ValueError without the file's content."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("the signing key file is not a readable PEM private key") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the signing key is not an Ed25519 key")
    return key


def load_trusted(path: Path | None) -> dict[Digest, Ed25519PublicKey]:
    """The public keys of a PEM file, one after another; none without a file.

    Raises ValueError, without the file's content, when it cannot be read or holds something else.
    """
    if path is None:
        return {}
    trusted = {}
    try:
        content = path.read_bytes()
        for block in _PUBLIC_KEY.findall(content):
            key = load_pem_public_key(block)
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError
            trusted[key_digest(key)] = key
    except (OSError, ValueError, UnsupportedAlgorithm):
        raise ValueError("the trusted keys file is not readable PEM of Ed25519 keys") from None
    if content.strip() and not trusted:
        raise ValueError("the trusted keys file holds no public key")
    return trusted


def _statement(card: Card, by: str, at: date) -> bytes:
    return canonical([card.policy_statement().decode(), by, at.isoformat()])


def sign_policy(card: Card, key: Ed25519PrivateKey, by: str, at: date) -> Signature:
    """The signature that puts this card's policy in force."""
    value = key.sign(_statement(card, by, at)).hex()
    return Signature(by=by, at=at, key=key_digest(key.public_key()), value=value)


def check_signature(card: Card, trusted: Trusted) -> None:
    """Raises Quarantined unless a trusted key signed this very policy for these very columns."""
    signature = card.signature
    if signature is None:
        raise Quarantined(Reason(code="policy_unsigned"))
    key = trusted.get(signature.key)
    if key is None:
        raise Quarantined(Reason(code="policy_key_untrusted"))
    try:
        key.verify(bytes.fromhex(signature.value), _statement(card, signature.by, signature.at))
    except InvalidSignature:
        raise Quarantined(Reason(code="policy_signature_invalid")) from None


def check_policy(card: Card, today: date, trusted: Trusted) -> None:
    """Raises Quarantined unless the policy is decided, in time, and signed by a trusted key."""
    decided = card.privacy.decided
    if decided is None:
        raise Quarantined(Reason(code="policy_undecided"))
    if decided.until is not None and today > decided.until:
        raise Quarantined(Reason(code="policy_expired", expected=decided.until.isoformat()))
    check_signature(card, trusted)
