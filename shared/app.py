"""A process: health, metrics, its broker, its background tasks, and an orderly stop.

`/live` says the process runs; `/ready` that everything it needs answers and every subscriber runs;
`/metrics` is for Prometheus.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Literal

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from shared import crash_points, logs, metrics
from shared.broker import Flow
from shared.failures import OursAway
from shared.loop_lag import watch_lag
from shared.settings import Settings

Check = Callable[[], Awaitable[bool]]


@dataclass
class Service:
    """One process, put together by a service's `app.py`."""

    name: str
    settings: Settings
    port: int
    flow: Flow | None = None
    # Started in order before the broker, stopped in reverse after it.
    starts: Sequence[tuple[Callable[[], Awaitable[object]], Callable[[], Awaitable[object]]]] = ()
    # Run for as long as the process does; one that ends is a defect and ends the process.
    tasks: Sequence[Callable[[], Awaitable[None]]] = ()
    checks: dict[str, Check] = field(default_factory=dict)
    routes: Sequence[BaseRoute] = ()
    # A public site on `port`; health and metrics then answer on `inner_port`, away from the public.
    site: Starlette | None = None
    inner_port: int | None = None

    def web(self) -> Starlette:
        """Health, metrics and the service's own routes."""
        return Starlette(
            routes=[
                Route("/live", self._live),
                Route("/ready", self._ready),
                Route("/metrics", self._metrics),
                *self.routes,
            ],
            lifespan=self._lifespan,
        )

    def run(self) -> None:
        """Serves until SIGTERM or SIGINT; exits 1 when a background task has failed."""
        crash_points.arm(self.name, self.settings.crash_at)
        logs.configure(self.name, self.settings.log_level, self.settings.log_format)
        metrics.build_info.labels(version=version("ecluse")).set(1)
        asyncio.run(self.serve())
        if self._failed or not all(server.started for server in self._servers):
            raise SystemExit(1)

    async def serve(self) -> None:
        """Serves until a signal or `stop`."""
        self._servers = [self._server(self.web(), self.inner_port or self.port, lifespan="on")]
        if self.site is not None:
            self._servers.append(self._server(self.site, self.port, lifespan="off"))
        await _serve_all(self._servers)

    def stop(self) -> None:
        """Asks for an orderly stop."""
        for server in self._servers:
            server.should_exit = True

    def _server(self, app: Starlette, port: int, lifespan: Literal["on", "off"]) -> uvicorn.Server:
        return uvicorn.Server(
            uvicorn.Config(
                app,
                host=self.settings.host,
                port=port,
                log_config=None,
                access_log=False,
                lifespan=lifespan,
                timeout_graceful_shutdown=5,
                proxy_headers=False,
                server_header=False,
            )
        )

    _failed: bool = False
    _servers: Sequence[uvicorn.Server] = ()

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for start, stop in self.starts:
                await _patiently(start)
                stack.push_async_callback(stop)
            if self.flow:
                await _patiently(self.flow.broker.start)
                stack.push_async_callback(self.flow.broker.stop)
            tasks = (*self.tasks, watch_lag)
            running = [asyncio.create_task(self._watched(task)) for task in tasks]
            logs.logger().info("ready", port=self.port)
            yield
            logs.logger().info("stopping")
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _watched(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except Exception as error:  # noqa: BLE001 - whatever it is, the process must not go on half
            logs.logger().error("defect", failure=logs.failure_place(error))
            self._failed = True
            signal.raise_signal(signal.SIGTERM)

    async def _live(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _ready(self, _request: Request) -> Response:
        found = {name: await check() for name, check in self.checks.items()}
        if self.flow:
            found["broker"] = await self.flow.broker.ping(timeout=2)
            found["subscribers"] = all(one.running for one in self.flow.broker.subscribers)
        return JSONResponse(found, 200 if all(found.values()) else 503)

    async def _metrics(self, _request: Request) -> Response:
        registries: list[CollectorRegistry] = [metrics.registry]
        if self.flow:
            registries.append(self.flow.registry)
        content = b"".join(generate_latest(registry) for registry in registries)
        return Response(content, media_type=CONTENT_TYPE_LATEST)


async def _serve_all(servers: Sequence[uvicorn.Server]) -> None:
    """Serves until a signal stops one; then stops the others too."""

    async def serve(server: uvicorn.Server) -> None:
        try:
            await server.serve()
        finally:
            for other in servers:
                other.should_exit = True

    await asyncio.gather(*(serve(server) for server in servers))


async def _patiently(start: Callable[[], Awaitable[object]]) -> None:
    """Starts something of ours, waiting for as long as it is away."""
    pause = 0.5
    while True:
        try:
            await start()
        except (OursAway, OSError) as failure:
            code = failure.reasons[0].code if isinstance(failure, OursAway) else "broker_away"
            logs.logger().warning("waiting", reason=code, seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 30)
        else:
            return
