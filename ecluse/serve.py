"""Which process a name stands for. Imported one by one: an image holds only what its service needs."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from shared.app import Service
from shared.settings import Settings

MODULES = {
    "ingest": "services.ingest.app",
    "anonymize": "services.anonymize.app",
    "convert": "services.convert.app",
    "publish": "services.publish.app",
    "portal": "services.publish.portal_app",
    "notify": "services.notify.app",
}


def make_service(name: str, settings: Settings) -> Service:
    """The process of that name, ready to run. Raises KeyError for an unknown name."""
    make: Callable[[Settings], Service] = importlib.import_module(MODULES[name]).make_service
    return make(settings)
