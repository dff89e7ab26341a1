"""The privacy report as a page that can be filed: the plain text's sentences, and the classes' sizes."""

from __future__ import annotations

from html import escape

from services.anonymize.report_shape import PrivacyReport
from services.anonymize.report_text import report_text
from shared.messages import Language

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}th,td{border:1px solid;padding:.2rem .6rem;text-align:right}"
)
_WORDS = {
    "fr": ("Taille des classes", "Taille", "Classes", "Empreintes", "Politique :", "Schéma :"),
    "en": ("Class sizes", "Size", "Classes", "Digests", "Policy:", "Schema:"),
}


def report_html(report: dict[str, object], language: Language) -> str:
    """The whole page, without scripts or outside resources."""
    read = PrivacyReport.model_validate(report)
    title, *lines = report_text(report, language).splitlines()
    sizes, size, classes, digests, policy, schema = _WORDS[language]
    parts = [f"<h1>{escape(title)}</h1>", *_blocks(lines)]
    if read.protection:
        rows = "".join(
            f"<tr><td>{escape(_span(span))}</td><td>{count}</td></tr>"
            for span, count in read.protection.class_sizes.items()
        )
        parts.append(
            f"<h2>{sizes}</h2><table><tr><th>{size}</th><th>{classes}</th></tr>{rows}</table>"
        )
    parts.append(f"<h2>{digests}</h2><ul><li>{policy} <code>{read.policy}</code></li>")
    parts.append(f"<li>{schema} <code>{read.schema_fingerprint}</code></li></ul>")
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    body = "\n".join(parts)
    page = f'<html lang="{language}"><head>{head}</head><body>\n{body}\n</body></html>'
    return f"<!doctype html>\n{page}\n"


def _span(span: str) -> str:
    """« 1-1 » is 1."""
    low, _, high = span.partition("-")
    return low if low == high else span


def _blocks(lines: list[str]) -> list[str]:
    blocks: list[str] = []
    listed: list[str] = []
    for line in [*lines, ""]:
        if line.startswith("- "):
            listed.append(f"<li>{escape(line[2:])}</li>")
            continue
        if listed:
            blocks.append(f"<ul>{''.join(listed)}</ul>")
            listed = []
        if line:
            blocks.append(f"<p>{escape(line)}</p>")
    return blocks
