"""Which module speaks to which kind of portal: ours, and those that other packages bring."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from services.publish.portals import bucket, ckan, sftp, udata
from services.publish.portals.connector import Access, BadAccess, Connector, Open
from shared.settings import Settings

GROUP = "ecluse.portals"
Opener = Callable[[Access], Connector]
OURS: dict[str, Opener] = {
    "s3": bucket.open_portal,
    "sftp": sftp.open_portal,
    "ckan": ckan.open_portal,
    "udata": udata.open_portal,
}


class UnknownKind(BadAccess):
    """A portal of the settings is of a kind that no module speaks to."""


def opener(kind: str) -> Opener:
    """The function that opens a portal of this kind. Raises UnknownKind."""
    if kind in OURS:
        return OURS[kind]
    for found in entry_points(group=GROUP, name=kind):
        loaded: Opener = found.load()
        return loaded
    known = ", ".join(sorted({*OURS, *(one.name for one in entry_points(group=GROUP))}))
    raise UnknownKind(f"ECLUSE_PORTALS: no kind `{kind}`: there are {known}")


def open_portals(settings: Settings, open_file: Open) -> dict[str, Connector]:
    """Every portal of the settings by its name. Raises BadAccess."""
    opened = {}
    for name, portal in settings.portals.items():
        secret = settings.portal_tokens.get(portal.token)
        if portal.token and secret is None:
            raise UnknownKind(f"ECLUSE_PORTAL_TOKENS: no token `{portal.token}`")
        access = Access(name, portal, secret or type(settings.token)(""), open_file)
        opened[name] = opener(portal.kind)(access)
    return opened
