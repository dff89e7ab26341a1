"""`ecluse store` without a store: refusals, exit codes, policies."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from ecluse import cli
from ecluse.store_setup import PROCESSES, policy
from shared.settings import settings
from shared.storage import REACH, Access

SECRET = "canari-7431"


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A store that does not answer."""
    for name, value in {
        "STORE": "s3",
        "S3_ENDPOINT": "http://127.0.0.1:9",
        "S3_ACCESS_KEY": "owner",
        "S3_SECRET_KEY": SECRET,
        "LANGUAGE": "en",
    }.items():
        monkeypatch.setenv(f"ECLUSE_{name}", value)
    settings.cache_clear()
    yield
    settings.cache_clear()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["store", "--json", *arguments])


def test_a_store_that_is_away() -> None:
    """Exit 1 and one sentence."""
    result = run()
    assert result.exit_code == 1, result.output
    assert json.loads(result.stdout)["error"].startswith("The object store does not answer.")
    assert SECRET not in result.output


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("STORE", "folder", "ECLUSE_STORE is not s3"),
        ("S3_ENDPOINT", "", "ECLUSE_S3_ENDPOINT is missing"),
        ("STORE_SECRETS", '{"nobody": "canari-7431-long"}', "names no process of Écluse: nobody"),
        ("STORE_SECRETS", '{"portal": "canari"}', "at least 8 characters for portal"),
    ],
)
def test_settings_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """Exit 2, and the setting is named; no secret is quoted."""
    monkeypatch.setenv(f"ECLUSE_{name}", value)
    settings.cache_clear()
    result = run()
    assert result.exit_code == 2, result.output
    assert said in json.loads(result.stdout)["error"]
    assert "canari" not in result.output


@pytest.mark.parametrize("process", PROCESSES)
def test_a_policy_is_for_the_buckets_of_its_prefix(process: Access) -> None:
    """Two cities on one server do not reach into each other's buckets."""
    found = policy(process, "lyon-")
    resources = [one for statement in found["Statement"] for one in statement["Resource"]]
    assert {one.removeprefix("arn:aws:s3:::").removesuffix("/*") for one in resources} == {
        f"lyon-{bucket}" for bucket in REACH[process]
    }
