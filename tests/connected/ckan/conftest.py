"""A real CKAN. It needs packages of the system, so these tests are `make test-portals`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers.ckan_server import CkanServer


@pytest.fixture(scope="session")
def ckan() -> Iterator[CkanServer]:
    """A real CKAN with its PostgreSQL, Redis and Solr."""
    with CkanServer() as server:
        yield server
