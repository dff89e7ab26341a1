"""The account after a fault: reconcile's, and that of a checker that trusts nobody."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from ecluse.reconcile import reconcile
from tests.connected import checker
from tests.connected.load_driver import LoadDriver
from tests.connected.town import Town


async def all_is_right(town: Town, driver: LoadDriver) -> None:
    """At rest: every change has one end, every object its checksum, news and deliveries stand once."""
    account = await reconcile(town.settings, deep=True)
    assert account["ok"], account
    assert account["open"] == {}, (account, what_is_open(town))
    await nothing_is_wrong(driver)


def what_is_open(town: Town) -> list[tuple[object, ...]]:
    """Each change without an end: where it stands, its publications and their deliveries."""
    return town.rows(
        "select c.dataset, c.number, c.stage, c.state, c.reasons, p.state, p.revision, d.state,"
        " d.attempts, d.code from publish.changes c"
        " left join publish.publications p using (change)"
        " left join publish.deliveries d using (publication)"
        ' where c."end" is null order by 1, 2'
    )


async def nothing_is_wrong(driver: LoadDriver) -> None:
    """What an independent program computes from journal, sources and cards is what is public."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, checker.__file__, str(driver.brief())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
