"""Imported by a worker before its first job: the lists of names are read then, not while a release
waits."""

from __future__ import annotations

from services.anonymize.name_detector import first_names, surnames

first_names()
surnames()
