"""The demo's identities and keys: made anew at each start, kept in the demo's folder."""

from __future__ import annotations

import secrets
from pathlib import Path

from shared.identity import token_digest
from shared.policy_signature import new_key, private_pem, public_pem

ROLES = {
    "demo-responsable": "responsable",
    "demo-sig": "sender",
    "demo-exploitation": "operator",
}


def make_people(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Writes identities and keys; settings that name them, and each identity's token."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = {name: secrets.token_urlsafe(32) for name in ROLES}
    lines = [
        f"  - {{name: {name}, token_sha256: {token_digest(token)}, roles: [{ROLES[name]}]}}"
        for name, token in tokens.items()
    ]
    identities = folder / "identities.yaml"
    identities.write_text("identities:\n" + "\n".join(lines) + "\n")
    key = new_key()
    signing, trusted = folder / "signing-key.pem", folder / "trusted-keys.pem"
    signing.touch(mode=0o600)
    signing.write_bytes(private_pem(key))
    trusted.write_bytes(public_pem(key))
    return {
        "identities_file": str(identities),
        "trusted_keys_file": str(trusted),
        "signing_key_file": str(signing),
    }, tokens
