"""CKAN behind waitress (8 threads) on loopback: wsgi.py HOME PORT.

The first time, it makes CKAN's tables, the sysadmin 'admin' and its token
(HOME/run/admin.secret, HOME/run/token) before it serves.
"""

import secrets
import sys
from logging.config import fileConfig
from pathlib import Path
from typing import Any

from ckan import model
from ckan.cli import CKANConfigLoader
from ckan.config.middleware import make_app
from ckan.logic import get_action
from waitress import serve


def first_run(app: Any, run: Path) -> None:
    model.repo.upgrade_db()  # ckan db init
    with app.test_request_context():
        user = model.User.by_name("admin")
        if user is None:  # ckan sysadmin add
            site = get_action("get_site_user")({"ignore_auth": True}, {})
            password = secrets.token_hex(16)
            (run / "admin.secret").write_text(password)
            get_action("user_create")(
                {"ignore_auth": True, "user": site["name"]},
                {"name": "admin", "email": "admin@peer.invalid", "password": password},
            )
            user = model.User.by_name("admin")
            user.sysadmin = True
            model.repo.commit()
        token = get_action("api_token_create")(  # ckan user token add
            {"ignore_auth": True}, {"user": "admin", "name": "peer-" + secrets.token_hex(4)}
        )
        model.repo.commit_and_remove()
    (run / "token").write_text(token["token"])


home, port = Path(sys.argv[1]), int(sys.argv[2])
ini = str(home / "ckan.ini")
fileConfig(ini, disable_existing_loggers=False)
app = make_app(CKANConfigLoader(ini).get_config())
if not (home / "run" / "token").exists():
    first_run(app._wsgi_app, home / "run")
serve(app, host="127.0.0.1", port=port, threads=8)
