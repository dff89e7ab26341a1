"""The commands about other portals: verify, back-fill, breach sheets."""

from __future__ import annotations

from textwrap import indent
from typing import Annotated, Any
from urllib.parse import quote

import typer

from ecluse.terminal import AsJson, call, show

Result = dict[str, Any]
Portal = Annotated[str, typer.Option(help="The portal's name in the card.")]
STOPPED = 3
COPIES = {
    "stands": "OUVERTE À TOUS, À DEMANDER",
    "gone": "disparue",
    "rebuilt": "refaite d'après une autre publication",
    "settled": "réglée par une personne",
}
app = typer.Typer()


@app.command()
def verify(dataset: str, portal: Portal = "own", as_json: AsJson = False) -> None:
    """Fetch every file of a dataset from a portal as a stranger would; code 3: one is wrong."""
    path = f"/datasets/{quote(dataset, safe='')}/verify"
    found = call(lambda client: client.get(path, portal=portal), as_json)
    show(found, as_json, _proof(found))
    if not found["arrived"]:
        raise typer.Exit(STOPPED)


@app.command()
def backfill(
    portal: Annotated[str, typer.Argument(help="The portal's name in the settings.")],
    dataset: Annotated[str | None, typer.Option(help="This dataset alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring everything promised to a portal there again: a new portal, or one rebuilt empty."""
    body = {"portal": portal, "dataset": dataset}
    found = call(lambda client: client.post("/backfill", body), as_json)
    show(found, as_json, f"{portal}: {len(found['datasets'])} datasets on their way")


@app.command()
def settle(
    dataset: str,
    portal: Annotated[str, typer.Option(help="The portal's name in the settings.")],
    reason: Annotated[str, typer.Option(help="What was done about it, for the record.")],
    kind: Annotated[str | None, typer.Option(help="Such as parquet: this kind alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """Answer for what a portal still serves of withdrawn releases: it is not looked at any more."""
    path = f"/datasets/{quote(dataset, safe='')}/copies"
    body = {"portal": portal, "reason": reason, "kind": kind}
    found = call(lambda client: client.post(path, body), as_json)
    show(found, as_json, f"{dataset} on {portal}: {found['settled']} settled")


@app.command()
def breaches(
    dataset: Annotated[str | None, typer.Argument()] = None, as_json: AsJson = False
) -> None:
    """The sheets of personal data breaches, for the data protection officer."""
    found = call(lambda client: client.get("/breaches", dataset=dataset), as_json)
    show(found, as_json, "\n\n".join(map(_sheet, found["breaches"])) or "none")


def _proof(found: Result) -> str:
    lines = [f"{found['dataset']} on {found['portal']}: {'right' if found['arrived'] else 'WRONG'}"]
    for one in found["files"]:
        said = ", ".join(one["wrong"]) or "right"
        way = f"HTTP {one['http']}" if one["http"] else "read back"
        lines.append(f"  {one['format']}: {way}, {said}")
    lines += [f"  {one['field']} differs" for one in found["differences"]]
    return "\n".join(lines)


def _sheet(found: Result) -> str:
    columns = ", ".join(f"{one['name']} ({one['action']})" for one in found["columns"])
    portals = ", ".join(
        f"{one['portal']}: {'retiré' if one['gone'] else 'À DEMANDER' if one.get('ask') else 'en cours'}"
        for one in found["portals"]
    )
    requests = [
        (one["portal"], indent(one["request"]["fr"].rstrip(), "    "))
        for one in found["portals"]
        if "request" in one
    ]
    copies = "\n".join(
        f"    {one['portal']}  {each['kind']}  {COPIES[each['state']]}"
        f"  {each['address'] or '(adresse inconnue)'}"
        for one in found["portals"]
        for each in one["copies"]
    )
    acts = "\n".join(f"    {one['at']}  {one['actor']}  {one['act']}" for one in found["acts"])
    return "\n".join(
        [
            f"Violation de données personnelles n° {found['number']} : {found['dataset']}",
            f"  Connue le {found['opened_at']} de {found['opened_by']}",
            f"  Notification à la CNIL avant le {found['authority_due']}"
            f" (encore {found['hours_left']} h ; RGPD, art. 33)",
            f"  Lignes : {found['rows']} ; personnes concernées : {found['subject']}",
            f"  Colonnes : {columns}",
            f"  Public depuis le {found['public_since'] or '(jamais publié)'}",
            f"  Fichiers : {', '.join(found['files'])}",
            f"  Téléchargements : métrique {found['downloads']} du portail",
            f"  Portails : {portals}",
            *(["  Copies tirées de nos fichiers par ces portails :", copies] if copies else []),
            *(f"  À écrire à l'équipe de {name} :\n{text}" for name, text in requests),
            "  Actes :",
            acts,
        ]
    )
