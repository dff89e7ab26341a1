"""What the wiring of the three working stages has in common: spool, workers, store check."""

from __future__ import annotations

import shutil

from shared.confine import Bounds
from shared.settings import Settings
from shared.workers import WorkerPool


def empty_spool(settings: Settings, service: str) -> Settings:
    """These settings with the service's own spool folder, emptied of what a crash left."""
    spool = settings.spool / service
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir(parents=True, exist_ok=True)
    return settings.model_copy(update={"spool": spool})


def make_pool(settings: Settings, *modules: str) -> WorkerPool:
    """The service's workers, with these modules imported beforehand."""
    return WorkerPool(
        size=settings.workers,
        modules=modules,
        jobs=settings.worker_jobs,
        memory_bytes=settings.worker_memory_bytes,
        seconds=settings.worker_seconds,
        bounds=Bounds(
            file_bytes=settings.worker_file_bytes, cpu_seconds=settings.worker_cpu_seconds
        ),
    )
