"""What to write to a portal's team that still shows what the city has withdrawn. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from shared.card_parts import Translated
from shared.messages import Language

_FRENCH = """\
Bonjour,

La ville a retiré le jeu de données « {title} » ({uri}) : des données personnelles y avaient paru.
Merci de le supprimer de {portal}, ainsi que tout ce que vous en avez tiré ou mis en cache{list_of}
et de nous confirmer que plus rien n'est accessible (RGPD, articles 17 et 19).
"""
_ENGLISH = """\
Hello,

The city has withdrawn the dataset "{title}" ({uri}): personal data had appeared in it.
Please delete it from {portal}, and all that you derived from it or hold in a cache{list_of}
and confirm that nothing of it can be reached any more (GDPR, articles 17 and 19).
"""


def removal_request(
    title: Translated, uri: str, portal: str, addresses: Iterable[str]
) -> dict[str, str]:
    """A letter in French and English, with addresses that are still open (GDPR, articles 17 and 19)."""
    texts: dict[Language, str] = {"fr": _FRENCH, "en": _ENGLISH}
    known = "".join(f"\n- {one}" for one in addresses if one)
    listed = f" :\n{known}\n" if known else ","
    return {
        language: text.format(
            title=title.get(language) or title["fr"],
            uri=uri,
            portal=portal,
            list_of=listed if language == "fr" else listed.replace(" :", ":"),
        )
        for language, text in texts.items()
    }
