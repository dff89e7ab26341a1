"""How the city reaches another portal: its kind, its address, who we are there, and by which way."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class PortalAccess(BaseModel):
    """One portal of `ECLUSE_PORTALS`, under the name that cards give it.

    Tokens are not here but in `ECLUSE_PORTAL_TOKENS`, by name, so that this can be shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="udata, ckan, s3, sftp")
    url: str = Field(
        pattern=r"^(https?|sftp)://[^\s]+$", description="such as https://www.data.gouv.fr"
    )
    organization: str = Field(
        default="", description="the city's organisation there: its id (udata), its name (ckan)"
    )
    token: str = Field(default="", description="name of its token in `ECLUSE_PORTAL_TOKENS`")
    account: str = Field(default="", description="access key (s3), user (sftp)")
    folder: str = Field(default="", description="bucket (s3), folder (sftp)")
    host_key: str = Field(
        default="", description="the server's public key, such as `ssh-ed25519 AAAA…` (sftp)"
    )
    public_url: str = Field(default="", description="where strangers fetch what lies there")
    tabular_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s]+)?$",
        description="where its API of rows answers, looked at after a withdrawal (udata)",
    )
    mode: Literal["link", "upload"] = Field(
        default="link", description="files by their address on the city's portal, or their bytes"
    )
    hand_edits: Literal["keep", "reassert"] = Field(
        default="keep", description="what becomes of texts that a person edited on the portal"
    )
    prefix: str = Field(default="", pattern=r"^[a-z0-9_-]*$", description="before names (ckan)")
    licences: dict[str, str] = Field(
        default={}, description="licence of a card → its code there, where it has one of its own"
    )
    at_once: int = Field(
        default=4, ge=1, le=64, description="calls under way at a time, per process of publish"
    )
    timeout_seconds: float = Field(default=60, gt=0, description="longest wait for an answer")
    look_hours: float = Field(default=24, gt=0, description="how often all copies are looked at")
    late_hours: float = Field(default=24, gt=0, description="after it what has not arrived is late")


def same_place(one: str, other: str) -> bool:
    """Whether two addresses lead to the same portal: by host and path, whatever the scheme."""
    return _place(one) == _place(other)


def _place(address: str) -> str:
    return address.partition("://")[2].rstrip("/").removeprefix("www.").lower()
