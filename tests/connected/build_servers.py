"""`python -m tests.connected.build_servers`: what the tests need that no package brings ready.

`make test` runs it in the background: whoever needs a server waits for it.
"""

from __future__ import annotations

from deploy.local import minio
from tests.connected import pmtiles_program, toxiproxy
from tests.peers import udata_server


def main() -> None:
    """Installs udata, builds toxiproxy, MinIO and pmtiles, unless they are there."""
    print(udata_server.installed(), flush=True)
    for program in (toxiproxy.PROGRAM, minio.PROGRAM, pmtiles_program.PROGRAM):
        print(program.binary(), flush=True)


if __name__ == "__main__":
    main()
