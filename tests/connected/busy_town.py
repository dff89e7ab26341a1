"""A town at work while something under it breaks: two datasets, and what is to be true in the end."""

from __future__ import annotations

from tests.cards import card
from tests.connected.account import all_is_right
from tests.connected.load_driver import LoadDriver
from tests.connected.town import Town


def benches(number: int) -> str:
    return f"id;places\nB1;{number}\nB2;4\n"


async def open_town(town: Town) -> LoadDriver:
    """A town that runs, with two datasets declared: one goes out by itself, one waits for a person."""
    await town.start()
    driver = LoadDriver(town)
    await driver.declare(card())
    await driver.declare(card(dataset="arbres"), person=True)
    return driver


async def passage(driver: LoadDriver, numbers: range) -> None:
    """Changes of both datasets, one after the other, whatever is dead meanwhile."""
    for number in numbers:
        await driver.change(benches(number))
        await driver.change(benches(number), "arbres")


async def ended(town: Town, driver: LoadDriver) -> None:
    """Everything has come to rest, what waited has been approved, and the account adds up."""
    await town.quiet()
    await driver.approve_all()
    await town.quiet()
    await all_is_right(town, driver)


async def made(town: Town, least: int) -> bool:
    """Whether so many publications have been considered."""
    return town.rows("select count(*) from publish.publications") >= [(least,)]
