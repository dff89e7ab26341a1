"""Names of columns in formats to which `Nom` and `NOM` are one, or which have names of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl
from polars import selectors

# Of KML's own elements and attributes GDAL's reader (LIBKML) makes columns, in every file.
KML_NAMES = (
    "id", "Name", "description", "timestamp", "begin", "end", "altitudeMode", "tessellate",
    "extrude", "visibility", "drawOrder", "icon",
)  # fmt: skip


def cells_of(name: str) -> pl.Expr:
    """The cells of the column of that name. `pl.col` takes `*` and `^…$` for patterns."""
    return selectors.by_name(name).as_expr()


def series_of(frame: pl.DataFrame, name: str) -> pl.Series:
    """A column under no name of its own: what a series does, it does by `pl.col` of its name."""
    return frame[name].alias("cells")


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """`wanted`, with as many underscores behind as it takes to be like none of the `taken`."""
    folded = {name.casefold() for name in taken}
    while wanted.casefold() in folded:
        wanted += "_"
    return wanted


def names_alike(names: Iterable[str]) -> str | None:
    """The first name that differs from an earlier one by capitals alone; None if none does."""
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            return name
        seen.add(name.casefold())
    return None


def renamed_by_readers(forms: Iterable[str], types: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Format → column → what the format's readers call it; formats that keep all names left out.

    `types` are the columns' Table Schema types.
    """
    renamed = _kml_renamed(types)
    return {form: renamed for form in forms if form in ("kml", "kmz") and renamed}


def _kml_renamed(types: Mapping[str, str]) -> dict[str, str]:
    """GDAL puts a number behind a name that KML has for something else, or that is there already."""
    taken = {name.casefold() for name in KML_NAMES}
    renamed = {}
    for name, kind in types.items():
        shown, number = name, 2
        while shown.casefold() in taken:
            shown, number = f"{name}{number}", number + 1
        taken.add(shown.casefold())
        # `table_to_kml` writes these as the placemark's own identifier and name as well.
        kept = (name == "id" and kind in ("string", "integer")) or (
            name == "Name" and kind == "string"
        )
        if shown != name and not kept:
            renamed[name] = shown
    return renamed
