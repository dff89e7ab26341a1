"""What a column's name says, in French and English: a personal datum, or what its numbers are.

A name alone stops a column only where it can hardly mean anything else: `prenom` does, `nom` does
not (a facility has one), nor `naissances` (a count), nor `email` and `telephone` (a town hall has
them; their cells are scanned).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from services.anonymize.normalise import fold

VERSION = 1

Kind = Literal["phone", "code", "quantity", "time", "identifier", "unknown"]

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_WORD = re.compile(r"[^a-z0-9]+")

# Each is looked for between word boundaries of `date_de_naissance`, words joined by `_`.
_PERSONAL = re.compile(
    r"(?:^|_)(?:"
    r"prenoms?|first_?names?|given_?names?|last_?names?|surnames?|maiden_?names?|patronymes?"
    r"|noms?_(?:de_)?(?:famille|naissance|jeune_fille)|nom_(?:patronymique|marital|epouse)"
    r"|(?:date|lieu)_?(?:de_)?naissance|date?_?naiss?|ddn|nee?_le"
    r"|birth_?(?:date|day|place)|(?:date|place)_of_birth|dob"
    r"|nir|nirs|ssn|nss|num_?secu|(?:num|numero|no|n)_(?:de_)?(?:ss|secu|securite_sociale)"
    r"|(?:num|numero|no|n)_(?:d_)?(?:assure|allocataire)(?:_social)?"
    r"|securite_sociale_(?:num|numero|no)|social_security_(?:number|num|no)"
    r"|(?:e_?mails?|mails?|courriels?|mels?)_(?:de_l_|du_|d_un_)?"
    r"(?:perso|personnels?|personal|prives?|private|domicile|usagers?|agents?|parents?|salaries?)"
    r"|(?:perso|personal|private)_(?:e_?mails?|mails?|phones?)"
    r"|(?:tel|telephone|phone|num|numero|no|n)_?(?:de_)?(?:portables?|mobiles?|gsm)"
    r"|(?:tel|telephone|phone)_(?:perso|personnel|personal|prive|private|domicile|home|usager)"
    r"|(?:mobile|cell|home)_?phones?(?:_number)?|(?:portables?|mobiles?|gsm)_(?:perso|personnel|prive)"
    r"|(?:adresses?|address)_(?:du_)?(?:perso|personnelles?|privees?|domicile|private|personal)"
    r"|home_address|adresse_du_(?:demandeur|beneficiaire|salarie)"
    r")(?:_|$)"
)
# A word of its own only: a library is mobile, a computer portable.
_PERSONAL_ALONE = frozenset({"portable", "portables", "mobile", "mobiles", "gsm"})
_JOINED = re.compile(
    r"^(?:dated?e?naissance|datnais|lieud?e?naissance|birthdate|dateofbirth|firstname|lastname"
    r"|numsecu(?:rite)?(?:sociale)?|numerosecu(?:rite)?(?:sociale)?|nomdefamille|nomdenaissance"
    r"|numportable|telportable|telmobile|nomprenom|prenomnom)"
)

_PHONE = re.compile(
    r"(?:^|_)(?:n|no|num|numero)?_?(?:tel|tels|tph|telephon\w*|telep\w*|phones?|telfixe|telport\w*"
    r"|telmob\w*|teldom\w*|portables?|mobiles?|gsm|fax|whatsapp|cellphone)(?:_|$|\d)"
)
_MEANINGS: dict[Kind, str] = {
    "code": """
        siren siret sirene finess iris insee uai rne rna naf ape ean ean13 gtin isbn issn imei osm
        fantoir rivoli parcelle cadastre duns tva cog epci rnb majic idu nic ban rnc dewey hash uuid
        sha md5 postal cp""",
    "quantity": """
        montant montants budget credit credits depense depenses recette recettes prix cout couts
        total totaux population pop surface superficie aire volume valeur amount price cost value
        area length longueur largeur hauteur nombre nb nbre effectif effectifs capital subvention
        subventions consommation conso kwh mwh debit dette euros eur x y lat latitude lon lng long
        longitude altitude taux ratio pourcentage moyenne count""",
    "time": "timestamp epoch unix date dates datetime time heure horodatage jour annee",
    "identifier": """
        id ids gid fid oid uid objectid pk ref refs reference code codes cle key numero num no
        identifiant identifier matricule""",
}
_WORDS = {meaning: frozenset(text.split()) for meaning, text in _MEANINGS.items()}
_COUNTS = frozenset({"nb", "nbre", "nombre", "count", "total", "taux"})


def words(name: str) -> str:
    """A header's words in lower case, without accents, joined by `_`: `dateNaissance` too."""
    plain = unicodedata.normalize("NFKD", fold(name)).encode("ascii", "ignore").decode()
    return _NOT_WORD.sub("_", _CAMEL.sub("_", plain).lower()).strip("_")


def is_personal(name: str) -> bool:
    """Whether a header announces a personal datum that a person must have decided about."""
    found = words(name)
    parts = found.split("_")
    if parts[0] in _COUNTS:
        return False
    alone = found in _PERSONAL_ALONE
    return alone or bool(_PERSONAL.search(found) or _JOINED.search(found.replace("_", "")))


def kind(name: str) -> Kind:
    """What a column's numbers are by its header: telephones, codes, quantities, times, identifiers."""
    found = words(name)
    parts = frozenset(found.split("_"))
    if parts & _COUNTS:
        return "quantity"
    if _PHONE.search(found):
        return "phone"
    for meaning, lexicon in _WORDS.items():
        if parts & lexicon:
            return meaning
    return "unknown"
