"""Worker processes: what they return, raise, and how they are ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import psutil
import pytest
import pytest_asyncio

from shared.failures import Quarantined
from shared.messages import Reason
from shared.workers import WorkerFailed, WorkerPool, _Worker

SECRET = "canari-7431"


def double(number: int) -> int:
    return 2 * number


def stopped() -> None:
    raise Quarantined(Reason(code="no_rows"), Reason(code="too_large", limit=3))


def broken() -> None:
    raise ValueError(SECRET)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def greedy() -> int:
    held = bytearray(400 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    signal.pause()
    return len(held)


def greedy_by_another(mark: Path) -> None:
    """A program that it starts takes the memory; `mark` gets that program's id."""
    code = "import signal; held = bytearray(b'x') * (400 * 2**20); signal.pause()"
    started = subprocess.Popen([sys.executable, "-c", code])
    mark.write_text(str(started.pid))
    started.wait()


def streams() -> list[bool]:
    nowhere = Path(os.devnull).stat()
    return [os.path.samestat(os.fstat(one), nowhere) for one in (1, 2)]


def bomb_until(seen: str) -> bool:
    while not Path(seen).exists():
        with suppress(RecursionError):
            json.loads("[" * 200_000)
    return True


def endless() -> None:
    signal.pause()


def pid() -> int:
    return os.getpid()


def killed_once(mark: Path) -> str:
    if not mark.exists():
        mark.touch()
        killed()
    return "done"


def once_until(folder: Path) -> int:
    """How often it was begun, said once `seen` lies in the folder."""
    with (folder / "begun").open("a") as begun:
        begun.write("x")
    while not (folder / "seen").exists():
        pass
    return len((folder / "begun").read_text())


def frugal(size: int, jobs: int) -> WorkerPool:
    """With little memory, and time enough."""
    modules = ("tests.shared.test_workers",)
    return WorkerPool(size=size, modules=modules, jobs=jobs, memory_bytes=300 * 2**20, seconds=100)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(
        size=1,
        modules=("tests.shared.test_workers",),
        jobs=3,
        memory_bytes=300 * 2**20,
        seconds=2,
    )
    await pool.start()
    yield pool
    await pool.stop()


@pytest.mark.asyncio(loop_scope="module")
class TestPool:
    """One pool for all: each failure leaves it fit for the next job."""

    async def test_a_result(self, pool: WorkerPool) -> None:
        """What the work returns."""
        assert await pool.run(double, 21) == 42

    async def test_the_loop_goes_on(self, pool: WorkerPool, tmp_path: Path) -> None:
        """While a worker is busy with a bomb, for as long as this process likes, it answers."""
        seen = tmp_path / "seen"
        job = asyncio.create_task(pool.run(bomb_until, str(seen)))
        for _ in range(1000):
            await asyncio.sleep(0)
            assert not job.done()
        seen.touch()
        assert await job

    async def test_what_a_library_prints_goes_nowhere(self, pool: WorkerPool) -> None:
        """A native panic quotes what it stumbled over: a worker's output and errors are no log."""
        assert await pool.run(streams) == [True, True]

    async def test_a_failure_comes_back_with_its_reasons(self, pool: WorkerPool) -> None:
        """Our failures cross the process border whole."""
        with pytest.raises(Quarantined) as caught:
            await pool.run(stopped)
        assert [reason.code for reason in caught.value.reasons] == ["no_rows", "too_large"]
        assert caught.value.reasons[1].limit == 3

    async def test_a_defect_comes_back_without_its_text(self, pool: WorkerPool) -> None:
        """Class and place; the text may quote a cell."""
        with pytest.raises(WorkerFailed) as caught:
            await pool.run(broken)
        assert "ValueError at" in str(caught.value)
        assert SECRET not in str(caught.value)

    @pytest.mark.parametrize(
        ("work", "code", "detail"),
        [
            (killed, "worker_died", None),
            (greedy, "resource_limit", "memory"),
            (endless, "resource_limit", "time"),
        ],
    )
    async def test_a_worker_that_is_ended(
        self, pool: WorkerPool, work: object, code: str, detail: str | None
    ) -> None:
        """Dead, over its memory or its time: the data are stopped, the pool goes on."""
        with pytest.raises(Quarantined) as caught:
            await pool.run(work)  # type: ignore[arg-type]
        reason = caught.value.reasons[0]
        assert (reason.code, reason.detail) == (code, detail)
        assert await pool.run(double, 1) == 2

    @pytest.mark.parametrize("work", [killed, greedy])
    async def test_its_siblings_go_on(self, tmp_path: Path, work: Callable[[], object]) -> None:
        """While another worker is ended, a job under way is neither ended nor done again."""
        pool = frugal(size=2, jobs=3)
        await pool.start()
        try:
            ended = asyncio.create_task(pool.run(work))
            beside = asyncio.create_task(pool.run(once_until, tmp_path))
            with pytest.raises(Quarantined):
                await ended
            assert not beside.done()
            (tmp_path / "seen").touch()
            assert await beside == 1
        finally:
            await pool.stop()

    async def test_what_a_worker_starts_counts(self, tmp_path: Path) -> None:
        """The memory of a program that it started is its own, and the program ends with it."""
        mark = tmp_path / "mark"
        pool = frugal(size=1, jobs=1)
        await pool.start()
        try:
            with pytest.raises(Quarantined) as caught:
                await pool.run(greedy_by_another, mark)
        finally:
            await pool.stop()
        assert (caught.value.reasons[0].code, caught.value.reasons[0].detail) == (
            "resource_limit",
            "memory",
        )
        with suppress(psutil.NoSuchProcess):
            psutil.Process(int(mark.read_text())).wait(20)

    async def test_a_fresh_worker_is_there_before_the_next_job(self) -> None:
        """Renewed as soon as the last job is done: no job waits for another's imports."""
        pool = frugal(size=1, jobs=1)
        await pool.start()
        try:
            first = await pool.run(pid)
            # With nobody asking for one.
            while pool._idle.empty():
                await asyncio.sleep(0.01)
            worker = pool._idle.get_nowait()
            assert worker is not None
            pool._idle.put_nowait(worker)
            assert await pool.run(pid) == worker.process.pid != first
        finally:
            await pool.stop()

    async def test_one_death_is_not_the_datas_doing(self, pool: WorkerPool, tmp_path: Path) -> None:
        """A process that died once, of whatever, is replaced and its job done again."""
        assert await pool.run(killed_once, tmp_path / "mark") == "done"
        assert (tmp_path / "mark").exists()

    async def test_workers_are_renewed(self, pool: WorkerPool) -> None:
        """After so many jobs a fresh process works: nothing piles up for ever."""
        seen = {await pool.run(pid) for _ in range(7)}
        assert len(seen) >= 2


class Pipe:
    """An end of a pipe whose closing takes as long as it takes another thread to begin it too."""

    def __init__(self) -> None:
        self.closed = False
        self.closings = 0
        self._both = threading.Barrier(2)

    def close(self) -> None:
        self.closings += 1
        with suppress(threading.BrokenBarrierError):
            self._both.wait(timeout=0.3)
        self.closed = True


async def test_a_worker_is_ended_once() -> None:
    """By whoever waited for it and by who stops the pool, at the same time: a descriptor closed
    twice may be somebody else's by then."""
    worker = _Worker((), None)
    held, pipe = worker.pipe, Pipe()
    worker.pipe = cast(Connection, pipe)
    await asyncio.gather(*(asyncio.to_thread(worker.kill) for _ in range(2)))
    held.close()
    assert pipe.closings == 1
    assert not worker.process.is_alive()


async def test_nothing_is_left_of_a_pool_that_stops_while_it_renews(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread that starts a worker cannot be called off: it ends the one it made too late."""
    pool = WorkerPool(size=1, modules=(), jobs=9, memory_bytes=2**31, seconds=60)
    await pool.start()
    begun, over, late = threading.Event(), threading.Event(), []

    def start(*told: object) -> _Worker:
        begun.set()
        over.wait()
        late.append(_Worker((), None))
        return late[0]

    monkeypatch.setattr("shared.workers._Worker", start)
    with pytest.raises(Quarantined):
        await pool.run(stopped)
    await asyncio.to_thread(begun.wait)
    await pool.stop()
    over.set()
    pool._threads.shutdown(wait=True)
    assert [one.process.is_alive() for one in late] == [False]
