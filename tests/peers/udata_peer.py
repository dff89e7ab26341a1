"""A real udata 17, the software of data.gouv.fr, over a database in memory; run by its own Python.

`python udata_peer.py PORT FOLDER` prints one line of JSON (`key`, of a site administrator) once it
can serve, then serves on loopback until it is killed. It is told and asked everything by its own API.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import mongoengine
import mongoengine.connection
import mongomock
import mongomock.gridfs

mongomock.gridfs.enable_gridfs_integration()
_connect = mongoengine.connection.connect


def connect(*names: Any, **options: Any) -> Any:
    """MongoEngine's `connect`, to a database in memory."""
    return _connect(*names, **options | {"mongo_client_class": mongomock.MongoClient})


# Before udata is imported: it takes the name from either module.
mongoengine.connect = mongoengine.connection.connect = connect

import udata.flask_mongoengine.connection as flask_connection  # noqa: E402

if hasattr(flask_connection, "connect"):
    flask_connection.connect = connect

from udata import api, frontend, settings  # noqa: E402
from udata.app import create_app  # noqa: E402

# As data.gouv.fr lists them at /api/1/datasets/licenses/: title, address, other addresses.
LICENCES: tuple[tuple[str, str, str | None, list[str]], ...] = (
    (
        "lov2",
        "Licence Ouverte / Open Licence version 2.0",
        "https://www.etalab.gouv.fr/licence-ouverte-open-licence",
        ["https://github.com/etalab/Licence-Ouverte/blob/master/LO.md"],
    ),
    (
        "odc-odbl",
        "Open Data Commons Open Database License (ODbL)",
        "http://opendatacommons.org/licenses/odbl/summary/",
        ["https://opendefinition.org/licenses/odc-odbl"],
    ),
    ("notspecified", "License Not Specified", None, []),
)


# As data.gouv.fr has them: level, code, name; level's name.
ZONES = (
    ("fr:commune", "69123", "Ville d'essai"),
    ("fr:epci", "200046977", "Métropole d'essai"),
    ("fr:commune", "93066", "Saint-Denis"),
    ("fr:commune", "97411", "Saint-Denis"),
)


class Peer(settings.Testing):  # type: ignore[misc]  # untyped upstream
    """udata's own settings for tests, with what a harvest on loopback needs."""

    URLS_ALLOW_LOCAL = True
    URLS_ALLOW_PRIVATE = True
    URLS_ALLOWED_TLDS = settings.Testing.URLS_ALLOWED_TLDS | {"example"}
    SSRF_ALLOW_LOCAL = True
    HARVEST_ENABLE_MANUAL_RUN = True
    HARVESTER_BACKENDS = ("dcat",)
    # Files that it hosts are served by itself, at the address that it says.
    FS_SERVE = True
    FS_PREFIX = "/s"
    # What left the feed is archived at the next run instead of a week later: tests do not wait.
    HARVEST_AUTOARCHIVE_GRACE_DAYS = -1


def make(port: int, folder: str) -> tuple[Any, str]:
    """The application, its files in `folder`, and a key of its administrator."""
    Peer.FS_ROOT, Peer.FS_URL = folder, f"http://127.0.0.1:{port}/s/"
    app = create_app(settings.Defaults, override=Peer)
    api.init_app(app)
    frontend.init_app(app)
    from udata.core import storages

    storages.init_app(app)
    from udata.core.api_token.models import ApiToken
    from udata.core.dataset.models import License
    from udata.core.spatial.models import GeoLevel, GeoZone
    from udata.core.user.models import Role, User

    with app.app_context():
        role = Role.objects.create(name="admin")
        user = User(first_name="Site", last_name="Administrator", email="admin@portal.example")
        user.roles, user.active = [role], True
        user.save()
        for code, title, url, other in LICENCES:
            License(id=code, title=title, url=url, alternate_urls=other).save()
        for level, code, name in ZONES:
            GeoLevel(id=level, name=level).save()
            GeoZone(
                id=f"{level}:{code}", slug=f"{level}-{code}", name=name, code=code, level=level
            ).save()
        _, key = ApiToken.generate(user)
    return app, key


def main() -> None:
    port, folder = int(sys.argv[1]), sys.argv[2]
    app, key = make(port, folder)
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", port, app, threaded=False)
    print(json.dumps({"key": key}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
