"""The portal's process: no broker, a role that selects from schema `portal`, the bucket `public`."""

from __future__ import annotations

from services.publish.portal.catalogue import SqlCatalogue
from services.publish.portal.site import make_portal
from shared.app import Service
from shared.card_file import load_strategy
from shared.database import open_engine
from shared.settings import Settings
from shared.storage import open_store


def make_service(settings: Settings) -> Service:
    """The process `ecluse serve portal`: pages on one port, metrics on another."""
    engine = open_engine(settings)
    catalogue = SqlCatalogue(engine)
    store = open_store(settings, "portal")
    site = make_portal(
        catalogue,
        store,
        public_url=settings.public_url,
        city=settings.city,
        domains=load_strategy(settings.strategy_file).domains,
        page_size=settings.catalog_page_size,
    )

    async def store_alive() -> bool:
        return await store.alive("public")

    async def nothing() -> None:
        return None

    return Service(
        name="portal",
        settings=settings,
        port=settings.portal_port,
        starts=((nothing, engine.dispose),),
        checks={"database": catalogue.alive, "store": store_alive},
        site=site,
        inner_port=settings.portal_metrics_port,
    )
