"""publish: what it takes from the broker. Each event is one transaction."""

from __future__ import annotations

from services.publish import captures, consider, fold, news_shelf

on_converted = consider.on_converted
on_confirmed = consider.on_confirmed
on_captured = captures.on_captured
on_ledger = fold.on_ledger
on_news = news_shelf.on_news
