"""What it takes until the files are in a real MinIO: uploading while writing, beside an engine that
writes to disk and a plain upload of its files afterwards.

`python -m bench.convert_upload CONTENDER TABLE OUT ENDPOINT ACCESS SECRET` is one run.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import psutil
import pyarrow.parquet as pq
from minio import Minio

from bench.convert_contenders import (
    RELEASE,
    Cost,
    card_of,
    duckdb_tables,
    peak,
    polars_tables,
    spent,
)
from deploy.local.minio import LocalMinio
from services.convert.convert_table import convert_table
from services.convert.upload_along import upload_along
from shared.settings import Settings
from shared.storage import Store, open_store
from shared.workers import WorkerPool

FORMS = ("csv", "json", "parquet")
PEERS = {"polars": polars_tables, "duckdb": duckdb_tables}
CONTENDERS = ("ecluse", *PEERS)


def arguments(server: LocalMinio) -> list[str]:
    """What a run must be told of the server, its bucket made."""
    client = Minio(
        endpoint=server.endpoint.removeprefix("http://"),
        access_key=server.access_key,
        secret_key=server.secret_key,
        secure=False,
    )
    if not client.bucket_exists(bucket_name="staged"):
        client.make_bucket(bucket_name="staged")
    return [server.endpoint, server.access_key, server.secret_key]


async def _ecluse(table: Path, out: Path, store: Store) -> Cost:
    """As the service does it: a warm worker writes, this process uploads."""
    names = pq.read_schema(table).names
    pool = WorkerPool(
        size=1,
        modules=("services.convert.convert_table",),
        jobs=9,
        memory_bytes=2**40,
        seconds=3600,
    )
    await pool.start()
    # Beside the worker there is the process that clears away what others leave.
    started = psutil.Process().children()
    worker = max(started, key=lambda one: one.memory_info().rss)
    began, before = time.perf_counter(), spent() + _cpu(worker)
    work = pool.run(convert_table, table, card_of(FORMS, names), RELEASE, out)
    places = {f"bench.{form}": f"bench.{form}" for form in FORMS}
    made, done = await upload_along(work, out, places, store)
    for file in (*made.files, made.datapackage, made.preview, *made.extras):
        if file.name not in done:
            await store.put("staged", file.name, file.path, file.sha256)
    wall, cpu = time.perf_counter() - began, spent() + _cpu(worker) - before
    cost = Cost(wall, cpu, peak() + peak(worker.pid))
    await pool.stop()
    return cost


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


async def _peer(write: Callable[[Path, Path], None], table: Path, out: Path, store: Store) -> Cost:
    began, before = time.perf_counter(), spent()
    write(table, out)
    for path in await asyncio.to_thread(lambda: sorted(out.iterdir())):
        await store.put("staged", path.name, path, "0" * 64)
    return Cost(time.perf_counter() - began, spent() - before, peak())


def main(name: str, table: str, out: str, endpoint: str, access: str, secret: str) -> None:
    """One run: prints its cost as JSON."""
    settings = Settings.model_validate(
        {"store": "s3", "s3_endpoint": endpoint, "s3_access_key": access, "s3_secret_key": secret,
         "s3_bucket_prefix": ""}
    )  # fmt: skip
    store = open_store(settings, "operator")
    if name == "ecluse":
        cost = asyncio.run(_ecluse(Path(table), Path(out), store))
    else:
        cost = asyncio.run(_peer(PEERS[name], Path(table), Path(out), store))
    print(json.dumps(asdict(cost)))


if __name__ == "__main__":
    main(*sys.argv[1:])
