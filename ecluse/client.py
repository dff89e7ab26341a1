"""Calls publish's admin API and ingest's endpoint, as the identity of the token in the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from shared.settings import Settings

MEDIA = {
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".tsv": "text/tab-separated-values",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class CallFailed(Exception):
    """The call did not succeed. `refused` holds the API's reasons.

    `mine` says whose turn it is: true when the call was refused, false when the API is away or fails.
    """

    def __init__(self, message: str, refused: list[dict[str, Any]], *, mine: bool) -> None:
        self.refused, self.mine = refused, mine
        super().__init__(message)


class Client:
    """One identity's way to the two HTTP doors."""

    def __init__(self, settings: Settings) -> None:
        self._admin = settings.admin_url.rstrip("/")
        self._changes = settings.changes_url.rstrip("/")
        self._notify = settings.notify_url.rstrip("/")
        self._language = settings.language
        token = settings.token.get_secret_value()
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=60,
            trust_env=False,
        )

    def get(self, path: str, **params: str | None) -> dict[str, Any]:
        """Reads from the admin API. Raises CallFailed."""
        asked = {name: value for name, value in params.items() if value is not None}
        return self._call("GET", f"{self._admin}{path}", params=asked)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Acts through the admin API. Raises CallFailed."""
        return self._call("POST", f"{self._admin}{path}", json=body)

    def harvests(self, dataset: str) -> list[dict[str, Any]] | None:
        """What other portals made of a dataset, as notify says; None if it does not answer."""
        try:
            found = self._call("GET", f"{self._notify}/harvest/{dataset}")
        except CallFailed:
            return None
        checks: list[dict[str, Any]] = found["harvest"]
        return checks

    def send_file(self, dataset: str, file: Path, kind: str) -> dict[str, Any]:
        """Sends a file's bytes. Raises CallFailed."""
        media = MEDIA.get(file.suffix.lower(), "application/octet-stream")
        with file.open("rb") as content:
            return self._call(
                "POST",
                f"{self._changes}/changes",
                params={"dataset": dataset, "kind": kind},
                content=content,
                headers={"Content-Type": media},
            )

    def send_address(self, dataset: str, address: str, kind: str) -> dict[str, Any]:
        """Says where the new data lie. Raises CallFailed."""
        body = {"dataset": dataset, "address": address, "kind": kind}
        return self._call("POST", f"{self._changes}/changes", json=body)

    def _call(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, url, **options)
        except (httpx.HTTPError, httpx.InvalidURL):
            raise CallFailed(f"{_host(url)} does not answer", [], mine=False) from None
        mine = answer.is_client_error
        try:
            body = answer.json()
        except ValueError:
            said = f"HTTP {answer.status_code} without an explanation"
            raise CallFailed(said, [], mine=mine) from None
        if answer.is_success and isinstance(body, dict):
            return body
        refused = body.get("refused") if isinstance(body, dict) else None
        reasons = [one for one in refused or [] if isinstance(one, dict)]
        said = " ".join(str(one[self._language]) for one in reasons if one.get(self._language))
        raise CallFailed(said or f"HTTP {answer.status_code}", reasons, mine=mine)


def _host(url: str) -> str:
    # An address without a scheme is a setting written wrong: it is shown as it is.
    return urlsplit(url).netloc.rpartition("@")[2] or url.partition("/")[0]
