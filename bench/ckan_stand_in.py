"""Stands in for a CKAN: keeps datasets in memory and answers each call after a while.

`python -m bench.ckan_stand_in PORT SECONDS`. It also serves every file, at once, as the city's own
portal would; `/stats` tells how many calls were under way, second by second of them.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CONTENT = b"id,places\nB1,3\nB2,4\n"
LICENCES = [{"id": name} for name in ("lov2", "odc-odbl", "notspecified")]


class StandIn:
    """The datasets, and how busy it was."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._datasets: dict[str, dict[str, Any]] = {}
        self._under_way, self._at, self.most, self.busy, self.calls = 0, 0.0, 0, 0.0, 0

    def _count(self, change: int) -> None:
        now = time.monotonic()
        self.busy += self._under_way * (now - self._at)
        self._at = now
        self._under_way += change
        self.most = max(self.most, self._under_way)

    async def action(self, request: Request) -> Response:
        """`/api/3/action/…`"""
        body = await request.json()
        self._count(+1)
        self.calls += 1
        await asyncio.sleep(self._seconds)
        self._count(-1)
        name = request.path_params["name"]
        if name == "license_list":
            return self._said(LICENCES)
        if name == "resource_view_list":
            return self._said([{"id": "made by itself"}])
        there = self._datasets.get(body.get("id", body.get("name")))
        if name == "package_create":
            there = {"id": body["name"], "state": "active", **body}
            self._datasets[body["name"]] = there
        elif there is None or (there["private"] and "authorization" not in request.headers):
            return JSONResponse({"success": False, "error": {}}, 404)
        elif name == "package_patch":
            there |= body
        return self._said(there)

    def _said(self, result: object) -> Response:
        return JSONResponse({"success": True, "result": result})

    async def stats(self, _: Request) -> Response:
        """How busy it was."""
        self._count(0)
        return JSONResponse(
            {"busy": self.busy, "most": self.most, "calls": self.calls, "kept": len(self._datasets)}
        )

    async def file(self, request: Request) -> Response:
        """Any file."""
        headers = {"Access-Control-Allow-Origin": "*"}
        asked = request.headers.get("range")
        if asked is None:
            return Response(CONTENT, headers=headers, media_type="application/octet-stream")
        start, end = (int(one) for one in asked.removeprefix("bytes=").split("-"))
        return Response(CONTENT[start : end + 1], 206, headers)


def main() -> None:
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    one = StandIn(seconds)
    routes = [
        Route("/api/3/action/{name}", one.action, methods=["POST"]),
        Route("/datasets/{dataset}/{name}", one.file),
        Route("/stats", one.stats),
    ]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="error")


if __name__ == "__main__":
    main()
