"""Confined workers: what they cannot do, and that others go on meanwhile."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from shared.confine import Bounds, confine
from shared.failures import Quarantined
from shared.workers import WorkerPool

MIB = 2**20


def write(path: Path, size: int) -> int:
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(bytes(MIB))
    return path.stat().st_size


def open_many(path: Path, count: int) -> int:
    opened = [path.open("wb") for _ in range(count)]
    for file in opened:
        file.close()
    return len(opened)


def burn() -> None:
    while True:
        sum(range(10_000))


def core() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_CORE)


def connect(port: int) -> tuple[bool, bool]:
    """Whether a namespace could be left here, and whether the server was reached before that."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        reached = True
    except OSError:
        reached = False
    return confine(Bounds()), reached


def double(number: int) -> int:
    return 2 * number


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    made = WorkerPool(
        size=2,
        modules=("tests.shared.test_confine",),
        jobs=100,
        memory_bytes=2**31,
        seconds=120,
        bounds=Bounds(file_bytes=8 * MIB, open_files=64, cpu_seconds=1),
    )
    await made.start()
    yield made
    await made.stop()


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def limit(pool: WorkerPool, work: object, *arguments: object) -> str:
    with pytest.raises(Quarantined) as caught:
        await pool.run(work, *arguments)  # type: ignore[arg-type]
    [reason] = caught.value.reasons
    assert reason.code == "resource_limit"
    return reason.detail or ""


async def test_files_written(pool: WorkerPool, tmp_path: Path) -> None:
    """Up to the limit, not beyond it."""
    assert await pool.run(write, tmp_path / "x", 8 * MIB) == 8 * MIB
    assert await limit(pool, write, tmp_path / "y", 9 * MIB) == "file size"


async def test_files_held_open(pool: WorkerPool, tmp_path: Path) -> None:
    """A job that opens too many is stopped."""
    assert await pool.run(open_many, tmp_path / "x", 20) == 20
    assert await limit(pool, open_many, tmp_path / "x", 64) == "open files"


async def test_no_core_is_dumped(pool: WorkerPool) -> None:
    """What was read does not lie about in a core file."""
    assert await pool.run(core) == (0, 0)


async def test_processor_time(pool: WorkerPool) -> None:
    """A job that computes for ever ends; its sibling and the event loop go on meanwhile."""
    burning = asyncio.create_task(limit(pool, burn))
    answers = []
    while not burning.done():
        answers.append(await pool.run(double, 21))
        await asyncio.sleep(0)
    assert await burning == "CPU time"
    assert set(answers) == {42}


async def test_no_network(pool: WorkerPool) -> None:
    """Where the system lets a process leave the network, a worker has left it: loopback too."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        possible, reached = await pool.run(connect, server.getsockname()[1])
    assert reached != possible
