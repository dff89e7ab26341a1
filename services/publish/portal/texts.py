"""The portal's own words, in French and English, and how it writes dates, numbers and sizes."""

from __future__ import annotations

import unicodedata
from datetime import date, datetime

import nh3
from babel.dates import format_date
from babel.numbers import format_decimal
from markdown_it import MarkdownIt
from markupsafe import Markup

WORDS: dict[str, tuple[str, str]] = {
    "open_data": ("Données ouvertes", "Open data"),
    "skip": ("Aller au contenu", "Skip to content"),
    "datasets": ("Jeux de données", "Datasets"),
    "news": ("Actualités", "News"),
    "catalogue": ("Catalogue (DCAT)", "Catalogue (DCAT)"),
    "accessibility": ("Accessibilité : non encore auditée", "Accessibility: not audited yet"),
    "other_language": ("English", "Français"),
    "search": ("Rechercher", "Search"),
    "search_hint": ("arbres, stationnement, communes…", "trees, car parks, communes…"),
    "all_domains": ("Tous les domaines", "All domains"),
    "domain": ("Domaine", "Domain"),
    "found": ("jeux de données", "datasets"),
    "found_one": ("jeu de données", "dataset"),
    "none": ("Aucun jeu de données ne correspond.", "No dataset matches."),
    "show_all": ("Tout afficher", "Show all"),
    "updated": ("Mis à jour le", "Updated on"),
    "rows": ("lignes", "rows"),
    "latest_news": ("Dernières nouvelles", "Latest news"),
    "downloads": ("Télécharger", "Download"),
    "format": ("Format", "Format"),
    "size": ("Taille", "Size"),
    "checksum": ("Empreinte SHA-256", "SHA-256 checksum"),
    "file": ("Fichier", "File"),
    "about": ("À propos de ces données", "About these data"),
    "title": ("Titre", "Title"),
    "description": ("Description", "Description"),
    "keywords": ("Mots-clés", "Keywords"),
    "legal_notes": ("Mentions légales", "Legal notes"),
    "licence": ("Licence et attribution", "Licence and attribution"),
    "spatial": ("Couverture géographique", "Spatial coverage"),
    "temporal": ("Couverture temporelle", "Temporal coverage"),
    "since": ("depuis le", "since"),
    "from_to": ("du {0} au {1}", "from {0} to {1}"),
    "granularity": ("Granularité", "Granularity"),
    "api": ("API", "API"),
    "api_documentation": ("documentation de l'API", "documentation of the API"),
    "published_on": ("Date de publication", "Publication date"),
    "frequency": ("Fréquence de mise à jour", "Update frequency"),
    "last_update": ("Dernière mise à jour", "Last update"),
    "confirmed": ("vérifié sans changement le", "confirmed unchanged on"),
    "producer": ("Producteur", "Producer"),
    "contact": ("Contact", "Contact"),
    "sources": ("Sources", "Sources"),
    "preview": ("Aperçu", "Preview"),
    "first_rows": ("Les {0} premières lignes sur {1}.", "The first {0} of {1} rows."),
    "map": ("Carte", "Map"),
    "map_is": (
        "Tracés simplifiés, sans fond de carte : rien n'est demandé à un autre site. La couche :",
        "Simplified shapes without a background map: nothing is asked of another site. The layer:",
    ),
    "map_needs_script": (
        "La carte se dessine avec JavaScript. Sans lui, la couche ci-dessous s'ouvre dans un logiciel "
        "de cartographie, et l'aperçu montre les mêmes données.",
        "The map is drawn with JavaScript. Without it, the layer below opens in mapping software, and "
        "the preview shows the same data.",
    ),
    "map_failed": (
        "La carte n'a pas pu être dessinée. Rechargez la page, ou ouvrez la couche ci-dessous.",
        "The map could not be drawn. Reload the page, or open the layer below.",
    ),
    "zoom_in": ("Agrandir", "Zoom in"),
    "zoom_out": ("Réduire", "Zoom out"),
    "columns": ("Dictionnaire des colonnes", "Column dictionary"),
    "column": ("Colonne", "Column"),
    "type": ("Type", "Type"),
    "unit": ("Unité", "Unit"),
    "distribution": ("Répartition", "Distribution"),
    "from_to_values": ("De {0} à {1}", "From {0} to {1}"),
    "reuse": ("Réutiliser depuis un programme", "Use from a program"),
    "all_metadata": ("Description complète (Data Package)", "Full description (Data Package)"),
    "earlier": ("Versions précédentes", "Earlier versions"),
    "follow": ("Suivre ce jeu de données (Atom)", "Follow this dataset (Atom)"),
    "feeds": ("Flux", "Feeds"),
    "copies": ("Sur les autres portails", "On other portals"),
    "copies_why": (
        "Après chaque dépôt, la ville relit le jeu de données sur chaque portail et y télécharge chaque "
        "fichier, comme le ferait n'importe qui. Voici ce que la dernière vérification a trouvé.",
        "After each delivery the city reads the dataset back on each portal and downloads every file "
        "there, as anybody would. This is what the latest check found.",
    ),
    "no_copies": (
        "Ce jeu de données n'est déposé sur aucun autre portail.",
        "This dataset is not put on any other portal.",
    ),
    "copy_state": ("État", "State"),
    "copy_pending": ("dépôt en cours", "under way"),
    "copy_arrived": ("arrivé et vérifié", "arrived and verified"),
    "copy_late": ("en retard : le dépôt est retenté", "late: it is tried again"),
    "copy_failed": ("incomplet : le dépôt est retenté", "not complete: it is tried again"),
    "copy_verified": ("Dernière vérification", "Latest check"),
    "copy_never": ("pas encore", "not yet"),
    "copy_metadata": ("Description", "Description"),
    "copy_found": ("Trouvé", "Found"),
    "right": ("conforme", "right"),
    "differ": ("{0} champ(s) différent(s)", "{0} field(s) differ"),
    "check_status": ("ne se télécharge pas", "cannot be downloaded"),
    "check_length": ("taille différente", "another size"),
    "check_sha256": ("empreinte différente", "another checksum"),
    "check_parses": ("illisible dans son format", "not readable in its format"),
    "check_type": ("type inexact", "another type"),
    "check_cors": ("fermé aux pages d'autres sites (CORS)", "closed to other sites' pages (CORS)"),
    "check_ranges": ("ne se lit pas par parties", "cannot be read in parts"),
    "check_address": ("adresse non publique", "not at a public address"),
    "gone": ("Ce jeu de données n'est plus disponible.", "This dataset is no longer available."),
    "gone_why": (
        "La ville l'a retiré. Si vous l'avez téléchargé, cessez de le diffuser.",
        "The city has withdrawn it. If you downloaded it, please stop sharing it.",
    ),
    "missing": ("Cette page n'existe pas.", "This page does not exist."),
    "missing_why": (
        "L'adresse est peut-être mal écrite. La liste des jeux de données est sur l'accueil.",
        "The address may be misspelt. All datasets are listed on the home page.",
    ),
    "broken": ("Le portail ne peut pas répondre pour l'instant.", "The portal cannot answer now."),
    "broken_why": ("Réessayez dans un instant.", "Try again in a moment."),
    "home": ("Retour à l'accueil", "Back to the home page"),
    "no_news": ("Rien de nouveau pour l'instant.", "Nothing new yet."),
    "access_title": ("Accessibilité", "Accessibility"),
    "access_text": (
        "Ce site n'a pas encore fait l'objet d'un audit de conformité au RGAA. Il est conçu pour se "
        "parcourir au clavier et au lecteur d'écran, sans script. Si quelque chose vous arrête, "
        "écrivez au contact indiqué sur la page du jeu de données.",
        "This site has not been audited for accessibility (RGAA) yet. It is designed to be used by "
        "keyboard and screen reader, without scripts. If something stops you, write to the contact "
        "given on the dataset's page.",
    ),
}
FREQUENCIES: dict[str, tuple[str, str]] = {
    "continuous": ("en continu", "continuous"),
    "hourly": ("toutes les heures", "hourly"),
    "daily": ("tous les jours", "daily"),
    "semiweekly": ("deux fois par semaine", "twice a week"),
    "weekly": ("toutes les semaines", "weekly"),
    "biweekly": ("toutes les deux semaines", "every two weeks"),
    "semimonthly": ("deux fois par mois", "twice a month"),
    "monthly": ("tous les mois", "monthly"),
    "bimonthly": ("tous les deux mois", "every two months"),
    "quarterly": ("tous les trimestres", "quarterly"),
    "threeTimesAYear": ("trois fois par an", "three times a year"),
    "semiannual": ("deux fois par an", "twice a year"),
    "annual": ("tous les ans", "yearly"),
    "biennial": ("tous les deux ans", "every two years"),
    "triennial": ("tous les trois ans", "every three years"),
    "quinquennial": ("tous les cinq ans", "every five years"),
    "punctual": ("ponctuelle", "once"),
    "irregular": ("irrégulière", "irregular"),
    "unknown": ("inconnue", "unknown"),
}
TYPES: dict[str, tuple[str, str]] = {
    "string": ("texte", "text"),
    "integer": ("nombre entier", "whole number"),
    "number": ("nombre", "number"),
    "boolean": ("vrai/faux", "true/false"),
    "geojson": ("géométrie", "geometry"),
    "date": ("date", "date"),
    "datetime": ("date et heure", "date and time"),
    "time": ("heure", "time"),
}
_MARKDOWN = MarkdownIt("commonmark", {"html": False})


class Words:
    """The portal's words in one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._place = 0 if language == "fr" else 1

    def __call__(self, name: str, *facts: object) -> str:
        return WORDS[name][self._place].format(*facts)

    def frequency(self, code: str) -> str:
        return FREQUENCIES[code][self._place]

    def type(self, name: str) -> str:
        return TYPES.get(name, (name, name))[self._place]

    def date(self, moment: datetime | date | str) -> str:
        """`3 mars 2026`."""
        if isinstance(moment, str):
            moment = date.fromisoformat(moment[:10])
        said = format_date(moment, format="long", locale=self.language)
        # CLDR writes « 1 janvier ».
        return f"1er{said[1:]}" if self.language == "fr" and said.startswith("1 ") else said

    def number(self, value: float) -> str:
        return format_decimal(value, locale=self.language)

    def cell(self, value: object) -> str:
        """A cell of the preview, as the files hold it; true and false in words."""
        if isinstance(value, bool):
            return (("faux", "vrai") if self.language == "fr" else ("false", "true"))[value]
        return "" if value is None else str(value)

    def edge(self, value: float | str) -> str:
        """An end of a histogram: a number, or a day or moment as the files hold it."""
        return value if isinstance(value, str) else self.number(value)

    def size(self, value: int) -> str:
        """`1,4 Mo`, `1.4 MB` (powers of 1000)."""
        units = (
            ("octets", "Ko", "Mo", "Go") if self.language == "fr" else ("bytes", "kB", "MB", "GB")
        )
        amount, unit = float(value), 0
        while amount >= 1000 and unit < len(units) - 1:
            amount, unit = amount / 1000, unit + 1
        shown = format_decimal(round(amount, 1 if unit else 0), locale=self.language)
        return f"{shown}\u00a0{units[unit]}"

    def markdown(self, text: str) -> Markup:
        """A card's description as safe HTML."""
        return Markup(nh3.clean(_MARKDOWN.render(text)))  # noqa: S704 - cleaned by nh3


def plain(text: str) -> str:
    """`text` without case and accents, for searching."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in folded if not unicodedata.combining(letter))
