"""`python -m tests.connected.build_servers`: builds what the tests need and Go's modules alone give.

`make test` runs it in the background: whoever needs a server waits for its build.
"""

from __future__ import annotations

from deploy.local import minio
from tests.connected import toxiproxy


def main() -> None:
    for program in (toxiproxy.PROGRAM, minio.PROGRAM):
        print(program.binary(), flush=True)


if __name__ == "__main__":
    main()
