"""Worker processes for CPU work and untrusted parsing.

Warm `spawn` processes with their imports done (a fresh one costs seconds), renewed every so many
jobs and after any failure, dying with their parent. The parent watches memory and time and kills:
an address-space limit would abort libraries that map more than they use.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, ParamSpec, TypeVar

import psutil

from shared.confine import Bounds, confine
from shared.failures import EcluseError, Quarantined, disk_full
from shared.logs import failure_place
from shared.messages import Reason
from shared.worker_memory import take_lean_allocators

P = ParamSpec("P")
T = TypeVar("T")

WATCH_SECONDS = 0.1
LOOKS_A_SEARCH = 5
START_SECONDS = 120  # imports alone, on a machine that may be starting everything at once
_PDEATHSIG = 1


_LIMITS = {errno.EFBIG: "file size", errno.EMFILE: "open files"}


class WorkerFailed(Exception):
    """A defect in a worker's code. Says class and place; never the text, which may quote a cell."""


def _limit_of(error: BaseException) -> EcluseError | None:
    """What going over a worker's own bounds means; None for any other error."""
    limit = _LIMITS.get(getattr(error, "errno", None) or 0)
    return Quarantined(Reason(code="resource_limit", detail=limit)) if limit else None


def _serve(pipe: Connection, modules: tuple[str, ...], parent: int, bounds: Bounds | None) -> None:
    """A worker's life: import, then one job after another until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if bounds is not None:
        # First: leaving a namespace forgets whose death this process is to follow.
        confine(bounds)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return
    # What a library warns of may quote a cell.
    warnings.simplefilter("ignore")
    for module in modules:
        importlib.import_module(module)
    # Native libraries write there by themselves (python-calamine's Rust says what it panicked on).
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
    pipe.send(("ready", None))
    while True:
        try:
            work, arguments, named = pipe.recv()
        except EOFError:
            return
        try:
            answer: tuple[str, object] = ("done", work(*arguments, **named))
        except EcluseError as failure:
            answer = ("failure", failure)
        except MemoryError:
            answer = (
                "failure",
                Quarantined(Reason(code="resource_limit", detail="memory")),
            )
        except BaseException as error:  # noqa: BLE001 - a worker answers whatever happens
            ours = _limit_of(error) or disk_full(error)
            answer = ("failure", ours) if ours else ("defect", failure_place(error))
        pipe.send(answer)


class _Worker:
    """One process and our end of its pipe."""

    def __init__(self, modules: tuple[str, ...], bounds: Bounds | None) -> None:
        self._bounds = bounds
        take_lean_allocators()
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_serve, args=(theirs, modules, os.getpid(), bounds), daemon=True
        )
        self.process.start()
        theirs.close()
        self.jobs = 0
        self._ending = threading.Lock()

    def answer(self, memory: int, deadline: float) -> tuple[str, Any]:
        """Waits for the worker's answer and watches it. Blocks: call it in a thread."""
        family = _Family(self.process.pid)
        spent = family.cpu()
        while not self.pipe.poll(WATCH_SECONDS):
            family.look()
            if family.memory() > memory:
                return "killed", Reason(code="resource_limit", detail="memory", limit=memory)
            if self._bounds and family.cpu() - spent > self._bounds.cpu_seconds:
                return "killed", Reason(code="resource_limit", detail="CPU time")
            if time.monotonic() > deadline:
                return "killed", Reason(code="resource_limit", detail="time")
        try:
            answer: tuple[str, Any] = self.pipe.recv()
        except (EOFError, OSError):
            return "died", Reason(code="worker_died")
        return answer

    def kill(self) -> None:
        """Ends the process, once, whoever asks and how often: a descriptor that is closed twice may
        be somebody else's by then."""
        with self._ending:
            if self.pipe.closed:
                return
            with suppress(psutil.Error):
                _Family(self.process.pid).kill()
            self.process.kill()
            self.process.join()
            self.pipe.close()


class _Family:
    """A worker and the programs that it started: a limit is for all of them together."""

    def __init__(self, pid: int | None) -> None:
        self._worker = psutil.Process(pid)
        self._members = [self._worker]
        self._looks = 0

    def look(self) -> None:
        """Finds who belongs to it, now and then: the whole system's processes are looked through."""
        if self._looks % LOOKS_A_SEARCH == 0:
            with suppress(psutil.Error):
                self._members = [self._worker, *self._worker.children(recursive=True)]
        self._looks += 1

    def cpu(self) -> float:
        """Seconds of processor time so far, those of programs that have ended included."""
        spent = 0.0
        for one in self._members:
            with suppress(psutil.Error):
                times = one.cpu_times()
                spent += times.user + times.system + times.children_user + times.children_system
        return spent

    def memory(self) -> int:
        """Bytes in memory."""
        held = 0
        for one in self._members:
            with suppress(psutil.Error):
                held += one.memory_info().rss
        return held

    def kill(self) -> None:
        """Kills what the worker started; nobody else would wait for it."""
        with suppress(psutil.Error):
            for one in self._worker.children(recursive=True):
                with suppress(psutil.Error):
                    one.kill()


class WorkerPool:
    """`size` warm workers. `run` hands one a job and waits for its result. With `bounds`, workers
    are confined (`shared.confine`)."""

    def __init__(
        self,
        *,
        size: int,
        modules: Iterable[str],
        jobs: int,
        memory_bytes: int,
        seconds: float,
        bounds: Bounds | None = None,
    ) -> None:
        self._bounds = bounds
        self._modules = tuple(modules)
        self._size, self._jobs = size, jobs
        self._memory, self._seconds = memory_bytes, seconds
        self._idle: asyncio.Queue[_Worker | None] = asyncio.Queue()
        self._all: set[_Worker] = set()
        self._renewals: set[asyncio.Task[None]] = set()
        self._stopped = False
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="worker")

    async def start(self) -> None:
        """Starts the workers and waits until their imports are done."""
        fresh = await asyncio.gather(*(self._in_thread(self._fresh) for _ in range(self._size)))
        for worker in fresh:
            self._idle.put_nowait(worker)

    async def stop(self) -> None:
        """Kills every worker: what was under work is done again by whoever takes it up."""
        self._stopped = True
        for renewal in list(self._renewals):
            renewal.cancel()
        for worker in list(self._all):
            await asyncio.to_thread(worker.kill)
        self._all.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work`, a top-level function, done in a worker.

        Raises the EcluseError that the work raised; OursAway when there is no room left on the disk;
        Quarantined(`resource_limit`) when it went over a limit, Quarantined(`worker_died`) when two
        processes died of it; WorkerFailed for a defect in the work's code.
        """
        kind, content = await self._attempt(work, args, kwargs)
        if kind == "died":
            # One death may be the machine's doing (its memory ran out); two are the data's.
            kind, content = await self._attempt(work, args, kwargs)
        if kind == "done":
            result: T = content
            return result
        if kind in ("killed", "died"):
            raise Quarantined(content)
        if kind == "failure":
            raise content
        raise WorkerFailed(content)

    async def _attempt(self, *job: object) -> tuple[str, Any]:
        worker = await self._idle.get()
        try:
            if worker is None:
                worker = await self._in_thread(self._fresh)
            kind, content = await self._in_thread(self._job, worker, job)
        except BaseException:
            # Cancelled half way: the worker is busy with a job that nobody waits for.
            if worker is not None:
                self._discard(worker)
            self._idle.put_nowait(None)
            raise
        if kind == "done" and worker.jobs < self._jobs:
            self._idle.put_nowait(worker)
        else:
            await self._in_thread(self._discard, worker)
            # Now, not when the next job comes: that one would wait for the imports.
            renewal = asyncio.create_task(self._renew())
            self._renewals.add(renewal)
            renewal.add_done_callback(self._renewals.discard)
        return kind, content

    async def _renew(self) -> None:
        """A fresh worker in the place of one that is gone; failing that, the next job tries again."""
        worker: _Worker | None = None
        try:
            worker = await self._in_thread(self._fresh)
        except (WorkerFailed, OSError):
            pass
        finally:
            self._idle.put_nowait(worker)

    def _job(self, worker: _Worker, job: tuple[object, ...]) -> tuple[str, Any]:
        worker.jobs += 1
        try:
            worker.pipe.send(job)
        except (BrokenPipeError, OSError):
            return "died", Reason(code="worker_died")
        return worker.answer(self._memory, time.monotonic() + self._seconds)

    def _fresh(self) -> _Worker:
        worker = _Worker(self._modules, self._bounds)
        self._all.add(worker)
        if self._stopped:
            # Cancelling a renewal does not end the thread that was at it.
            self._discard(worker)
            raise WorkerFailed("the pool was stopped")
        kind, _ = worker.answer(self._memory, time.monotonic() + START_SECONDS)
        if kind != "ready":
            self._discard(worker)
            raise WorkerFailed("a worker could not start")
        return worker

    def _discard(self, worker: _Worker) -> None:
        worker.kill()
        self._all.discard(worker)

    async def _in_thread(self, work: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
