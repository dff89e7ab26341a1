"""The portal's process: no broker, a role that selects from schema `portal`, the bucket `public`."""

from __future__ import annotations

from services.publish.portal.catalogue import SqlCatalogue
from services.publish.portal.site import make_portal
from shared.app import Service
from shared.database import open_engine
from shared.settings import Settings
from shared.storage import open_store


def make_service(settings: Settings) -> Service:
    """The process `ecluse serve portal`: pages on one port, metrics on another."""
    engine = open_engine(settings)
    catalogue = SqlCatalogue(engine)
    site = make_portal(
        catalogue,
        open_store(settings, "portal"),
        public_url=settings.public_url,
        city=settings.city,
    )

    async def nothing() -> None:
        return None

    return Service(
        name="portal",
        settings=settings,
        port=settings.portal_port,
        starts=((nothing, engine.dispose),),
        site=site,
        inner_port=settings.portal_metrics_port,
    )
