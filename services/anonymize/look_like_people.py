"""Whether rows look like people although the card says that they are not (`subject: none`).

By headers: two things that are said of persons, and no number that says how many; an identifier of
who, or of what somebody rides or carries, that comes back from one moment to the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pyarrow as pa

from services.anonymize.header_lexicon import is_personal, words
from shared.card import Card
from shared.card_parts import ColumnType
from shared.failures import Quarantined
from shared.messages import Reason

_OF_PERSONS = {
    "age": r"ages?|tranche_(?:d_)?age|annee_(?:de_)?naissance|birth_?year|year_of_birth",
    "sex": r"sexe|genre|gender|sex|civilite",
    "family": r"situation_(?:familiale|matrimoniale|maritale)|statut_marital|marital_status"
    r"|nb_enfants|nombre_(?:d_)?enfants|enfants_a_charge",
    "work": r"profession|csp|pcs|categorie_socio\w*|occupation|metier|diplome|niveau_(?:d_)?etudes?",
    "origin": r"nationalite|nationality|pays_(?:de_)?naissance|lieu_(?:de_)?naissance",
    "home": r"(?:commune|adresse|code_postal|quartier|iris)_(?:de_)?(?:residence|domicile)",
    "income": r"revenus?|quotient_familial|salaire|income|salary|allocations?|aide_sociale",
}
_SAID = {what: re.compile(rf"(?:^|_)(?:{said})(?:_|$)") for what, said in _OF_PERSONS.items()}
_WHO = re.compile(
    r"(?:^|_)(?:allocataire|beneficiaire|patient|eleve|abonne|demandeur|electeur|salarie|locataire"
    r"|administre|assure)s?(?:_|$)"
)
_IDENTIFIER = re.compile(
    r"(?:^|_)(?:id|num|numero|no|code|ref|reference|identifiant|matricule)(?:_|$)"
)
_CARRIED = re.compile(
    r"(?:^|_)(?:velo|bike|bicycle|trottinette|scooter|vehicule|vehicle|device|appareil|badge|carte"
    r"|card|cookie|session|telephone|terminal)(?:_|$)"
)
_HOW_MANY = re.compile(
    r"(?:^|_)(?:nb(?!_enfants)|nbre|nombre(?!_(?:d_)?enfants)|effectifs?|population|pop|count|total"
    r"|totaux|taux|part|pourcentage|moyenne|mediane|indice)(?:_|$)"
)


# A tree's or an animal's « genre » is no sex, and it has an age.
_OF_SPECIES = re.compile(
    r"(?:^|_)(?:espece|essence|famille_botanique|cultivar|variete|taxon)s?(?:_|$)"
)
# How to reach somebody, or who works at it: a thing has these as well.
_BESIDE_A_THING = re.compile(
    r"(?:^|_)(?:e_?mails?|mails?|courriels?|mels?|tel\w*|\w*phones?|portables?|mobiles?|gsm|adresses?|address"
    r"|agents?|contacts?|responsables?|referent\w*|gestionnaires?|maires?|direct\w+|president\w*|signataires?"
    r"|auteurs?|instructeurs?|technicien\w*|redact\w+|architectes?|artistes?|author|artist|manager)(?:_|$)"
)
_OF_TREES = re.compile(r"(?:^|_)(?:genre|ages?)(?:_|$)")
_SEXES = (
    {"m", "f"},
    {"h", "f"},
    {"homme", "femme"},
    {"masculin", "feminin"},
    {"male", "female"},
    {"m", "mme"},
    {"monsieur", "madame"},
)
_MOST_SEXES = 6


def say_how_many(numbers: Iterable[str]) -> bool:
    """Whether a header of numbers says that rows are counts."""
    return any(_HOW_MANY.search(words(name)) for name in numbers)


def say_people(headers: Iterable[str]) -> bool:
    """Whether a header, published or not, says that a row is a person."""
    said = {name: words(name) for name in headers}
    of_person = _without_species(said)
    return any(
        _WHO.search(text)
        or any(form.search(text) for form in _SAID.values())
        or (is_personal(name) and not _BESIDE_A_THING.search(text))
        for name, text in of_person.items()
    )


def _without_species(said: Mapping[str, str]) -> dict[str, str]:
    """Without what only a tree or an animal is said to have, where the table is of these."""
    species = any(_OF_SPECIES.search(text) for text in said.values())
    return {n: t for n, t in said.items() if not (species and _OF_TREES.search(t))}


def holds_sexes(cells: pa.Array) -> bool:
    """Whether a column of text says of each row that it is a man or a woman, whatever its name."""
    different = cells.drop_null().unique()
    if not 2 <= len(different) <= _MOST_SEXES:
        return False
    try:
        texts = {words(text) for text in different.to_pylist()} - {""}
    except UnicodeDecodeError:
        return False
    return any(pair <= texts and len(texts - pair) <= 1 for pair in _SEXES)


def check_subject(types: Mapping[str, ColumnType], card: Card) -> tuple[str, ...]:
    """The columns to look into: identifiers of what people ride or carry, in a table of moments.

    `types` are the published columns'. Raises Quarantined(`subject_contradicted`).
    """
    if card.subject != "none" or card.privacy.measures or card.privacy.aggregate:
        return ()
    rules = card.privacy.columns
    open_ = {name: words(name) for name in types if rules[name].basis is None}
    numbers = [name for name in open_ if types[name] in ("integer", "number")]
    counted = say_how_many(numbers)
    of_person = _without_species(open_).values()
    said = {what for what, form in _SAID.items() for text in of_person if form.search(text)}
    who = [n for n, text in open_.items() if _WHO.search(text) and _IDENTIFIER.search(text)]
    if (len(said) >= 2 and not counted) or who:
        columns = who or [
            n for n, text in open_.items() if any(f.search(text) for f in _SAID.values())
        ]
        raise Quarantined(Reason(code="subject_contradicted", detail=", ".join(columns)))
    moments = any(kind in ("datetime", "time") for kind in types.values())
    carried = [n for n, t in open_.items() if _CARRIED.search(t) and _IDENTIFIER.search(t)]
    # A pseudonym is stable as well, unless its column says on what basis.
    return tuple(n for n in carried if moments and rules[n].action in ("keep", "pseudonymize"))
