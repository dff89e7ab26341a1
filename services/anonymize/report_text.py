"""The privacy report in plain French or English, as a référent reads it."""

from __future__ import annotations

from services.anonymize.report_shape import PrivacyReport
from services.anonymize.uniqueness_report import percent, uniqueness_lines
from shared.messages import Language

_WORDS: dict[Language, dict[str, str]] = {
    "fr": {
        "title": "Rapport de confidentialité : {dataset}",
        "verdict": "Le jeu peut être publié : sa politique est appliquée et l'examen n'a rien "
        "trouvé qu'elle ne prévoie.",
        "decided": "Politique décidée par {by} le {date}{until}.",
        "until": ", valable jusqu'au {until}",
        "undecided": "Politique encore à l'état de projet : personne ne l'a décidée.",
        "dpo": "Avis du délégué à la protection des données : {opinion}, le {date}{ref}.",
        "ref": " (réf. {ref})",
        "scan": "Examen : {cells} cellules ({rows} lignes × {columns} colonnes publiées), toutes "
        "lues, aucune par sondage.",
        "looked": "Recherché : adresses électroniques, numéros de téléphone français et étrangers, "
        "numéros de sécurité sociale, IBAN, cartes bancaires, plaques d'immatriculation, adresses IP et "
        "MAC, empreintes, noms de personnes, dates de naissance, domiciles, données sensibles (RGPD, "
        "art. 9 et 10), noms de colonnes qui annoncent une donnée personnelle.",
        "kept": "Colonnes publiées ({count}) : {names}.",
        "basis": "- {name} : donnée personnelle publiée sur le fondement « {basis} ».",
        "dropped": "Colonnes retirées ({count}) :",
        "none_dropped": "Aucune colonne n'est retirée.",
        "drop": "- {name} : {ground} ({law}).",
        "transformed": "- {name} : publiée sous une forme moins précise ({how}).",
        "hidden": "Secret statistique, colonne {measure} : {primary} case(s) de moins de {least} "
        "cachée(s), et {secondary} autre(s) dont elles se déduiraient, sur {cells}. La colonne "
        "{measure}_statut dit lesquelles.",
        "aggregated": "Lignes agrégées : la colonne {measure} les compte ; {primary} combinaison(s) "
        "de moins de {least} sur {cells} ne sont pas publiées.",
        "protection": "Protection : {units} {unit} en {classes} classes de lignes semblables par "
        "{names} ; la plus petite en compte {k_min} (au moins {k} exigés).",
        "diversity": "Colonnes sensibles ({names}) : au moins {l} valeurs différentes dans chaque "
        "classe ; écart au tableau entier d'au plus {t}.",
        "nothing_sensitive": "Aucune colonne sensible n'est publiée.",
        "cost": "Prix de la protection : {left} ligne(s) laissée(s) de côté sur {given} ; perte "
        "d'information de {loss} sur 1.",
        "compared": "Comparée à {count} version(s) antérieure(s) : aucune classe n'en diffère d'une à "
        "k - 1 unités, ni par qui est venu ou parti ; {held} ligne(s) retenue(s) pour cela.",
        "linked": "Comparée aussi aux jeux qui ont les mêmes quasi-identifiants : {names}.",
        "coarse": "- {name} : moins précis dans {share} des lignes publiées.",
        "risk": "Risque d'être retrouvé : au plus {most} pour une personne que l'on sait dans le "
        "tableau ; {mean} en moyenne ; lignes uniques : {uniques}.",
        "criteria": "Les trois questions du G29 (avis 05/2014) : individualisation, non (chaque ligne "
        "est celle d'au moins {k_min} {unit}) ; corrélation, aucun identifiant ni ordre d'origine "
        "n'est publié ; inférence, {inference}.",
        "accepted": "Signalements acceptés d'avance par la politique ({count}) :",
        "finding": "- {column} : {what}, {cells} cellule(s), la première à la ligne {line} ; "
        "motif : « {reason} ».",
        "header_finding": "- {column} : {what} ; motif : « {reason} ».",
        "chance": "- {column} : {cells} nombre(s) de 15 chiffres ont par hasard une clé de numéro "
        "de sécurité sociale (moins de 5 % de la colonne).",
        "proof": "Preuve : le fichier écrit a été relu par un autre chemin ; ont été vérifiés : "
        "{names}.",
        "limits": "Non examiné par cette version : {names}. La décision signée en répond seule.",
        "law": "Textes : {law}.",
    },
    "en": {
        "title": "Privacy report: {dataset}",
        "verdict": "The dataset can be published: its policy is applied and the scan found nothing "
        "that it does not foresee.",
        "decided": "Policy decided by {by} on {date}{until}.",
        "until": ", valid until {until}",
        "undecided": "The policy is still a draft: nobody has decided it.",
        "dpo": "Opinion of the data protection officer: {opinion}, on {date}{ref}.",
        "ref": " (ref. {ref})",
        "scan": "Scan: {cells} cells ({rows} rows × {columns} published columns), all of them read, "
        "none by sampling.",
        "looked": "Looked for: e-mail addresses, French and foreign telephone numbers, French social "
        "security numbers, IBAN, payment cards, number plates, IP and MAC addresses, hashes, names of "
        "persons, dates of birth, homes, special categories (GDPR, art. 9 and 10), column names that "
        "announce personal data.",
        "kept": "Published columns ({count}): {names}.",
        "basis": "- {name}: personal data published on the basis “{basis}”.",
        "dropped": "Dropped columns ({count}):",
        "none_dropped": "No column is dropped.",
        "drop": "- {name}: {ground} ({law}).",
        "transformed": "- {name}: published in a less precise form ({how}).",
        "hidden": "Statistical secrecy, column {measure}: {primary} cell(s) under {least} hidden, and "
        "{secondary} other(s) from which they would follow, out of {cells}. The column {measure}_statut "
        "says which.",
        "aggregated": "Rows were counted, in the column {measure}; {primary} combination(s) of fewer "
        "than {least}, of {cells}, are not published.",
        "protection": "Protection: {units} {unit} in {classes} classes of rows alike by {names}; the "
        "smallest has {k_min} (at least {k} required).",
        "diversity": "Sensitive columns ({names}): at least {l} different values in each class; "
        "distance from the whole table at most {t}.",
        "nothing_sensitive": "No sensitive column is published.",
        "cost": "Price of the protection: {left} row(s) left out of {given}; information loss {loss} "
        "out of 1.",
        "compared": "Compared with {count} earlier release(s): no class differs by one to k - 1 units, "
        "nor by who came or left; {held} row(s) held back for that.",
        "linked": "Compared as well with datasets that have the same quasi-identifiers: {names}.",
        "coarse": "- {name}: less precise in {share} of the published rows.",
        "risk": "Risk of being found: at most {most} for a person known to be in the table; {mean} on "
        "average; unique rows: {uniques}.",
        "criteria": "The three questions of WP216 (opinion 05/2014): singling out, no (every row is "
        "that of at least {k_min} {unit}); linkability, no identifier and no original order is "
        "published; inference, {inference}.",
        "accepted": "Findings that the policy accepts beforehand ({count}):",
        "finding": "- {column}: {what}, {cells} cell(s), the first on line {line}; "
        "reason: “{reason}”.",
        "header_finding": "- {column}: {what}; reason: “{reason}”.",
        "chance": "- {column}: {cells} number(s) of 15 digits have a social security number's key by "
        "chance (under 5 % of the column).",
        "proof": "Proof: the written file was read again by other code; verified: {names}.",
        "limits": "Not examined by this version: {names}. The signed decision alone answers for it.",
        "law": "Law: {law}.",
    },
}
_NAMES: dict[str, tuple[str, str]] = {
    "generalize": ("généralisée", "generalised"),
    "round": ("arrondie", "rounded"),
    "top_bottom": ("bornée", "bounded"),
    "mask": ("tronquée", "cut short"),
    "redact": ("passages personnels occultés", "personal passages blacked out"),
    "pseudonymize": ("sous pseudonyme", "under a pseudonym"),
    "snap": ("ramenée", "snapped"),
    "street": ("à la rue", "to the street"),
    "iris": ("à l'IRIS", "to the IRIS"),
    "commune": ("à la commune", "to the commune"),
    "grid": ("ramenée à une grille", "snapped to a grid"),
    "month": ("au mois", "to the month"),
    "year": ("à l'année", "to the year"),
    "five_years": ("à cinq ans", "to five years"),
    "departement": ("au département", "to the département"),
    "epci": ("à l'intercommunalité", "to the EPCI"),
    "people": ("personnes", "persons"),
    "households": ("ménages", "households"),
    "bounded": ("bornée par la diversité exigée", "bounded by the diversity required"),
    "not_asked": (
        "non bornée : la politique n'exige pas de diversité",
        "not bounded: the policy asks for no diversity",
    ),
    "columns": ("colonnes", "columns"),
    "rows": ("lignes", "rows"),
    "metadata": ("métadonnées", "metadata"),
    "statistics": ("statistiques du fichier", "the file's statistics"),
    "cells": ("cellules", "cells"),
    "rules": ("règles de la politique", "the policy's rules"),
    "order": ("ordre des lignes", "order of the rows"),
    "k": ("k-anonymat", "k-anonymity"),
    "l": ("l-diversité", "l-diversity"),
    "t": ("t-proximité", "t-closeness"),
    "small_cells": ("petits effectifs", "small cells"),
    "margins": ("marges", "margins"),
    "findings": ("absence de signalement", "absence of findings"),
    "email": ("adresses électroniques", "e-mail addresses"),
    "phone": ("numéros de téléphone", "telephone numbers"),
    "nir": ("numéros de sécurité sociale", "social security numbers"),
    "header": ("nom de colonne", "column name"),
    "personal_data": ("données personnelles", "personal data"),
    "private_life": ("vie privée", "private life"),
    "business_secret": ("secret des affaires", "business secret"),
    "security": ("sécurité", "security"),
    "third_party_rights": ("droits de tiers", "third-party rights"),
    "statistical_secrecy": ("secret statistique", "statistical secrecy"),
    "favourable": ("favorable", "favourable"),
    "reserved": ("réservé", "reserved"),
    "unfavourable": ("défavorable", "unfavourable"),
    "iban": ("IBAN", "IBAN"),
    "card": ("cartes bancaires", "payment cards"),
    "plate": ("plaques d'immatriculation", "number plates"),
    "ip": ("adresses IP", "IP addresses"),
    "mac": ("adresses MAC", "MAC addresses"),
    "hash": ("empreintes", "hashes"),
    "name": ("noms de personnes", "names of persons"),
    "special": ("données sensibles", "special categories"),
    "home": ("domiciles", "homes"),
    "birth": ("dates de naissance", "dates of birth"),
    "names_without_context": (
        "noms rares ou sans mot qui les annonce",
        "names that are rare or that no word announces",
    ),
    "sole_trader": ("entreprises individuelles", "sole traders"),
    "sole_traders_without_their_columns": (
        "entreprises individuelles parmi des SIREN sans catégorie juridique ni statut de diffusion",
        "sole traders among SIREN numbers without legal category or status of diffusion",
    ),
    "statistical_secrecy_thresholds": ("seuils du secret statistique", "statistical thresholds"),
}


def report_text(report: dict[str, object], language: Language) -> str:
    """The report as a référent reads it, in plain text."""
    read = PrivacyReport.model_validate(report)
    words = _WORDS[language]

    def named(code: str) -> str:
        return _NAMES[code][0 if language == "fr" else 1] if code in _NAMES else code

    lines = [words["title"].format(dataset=read.dataset), words["verdict"]]
    lines += _decision_lines(read, language)
    lines += [
        words["scan"].format(cells=read.scan.cells, rows=read.scan.rows, columns=read.scan.columns),
        words["looked"],
        words["kept"].format(count=len(read.kept), names=", ".join(one.name for one in read.kept)),
    ]
    lines += [
        words["basis"].format(name=one.name, basis=one.basis) for one in read.kept if one.basis
    ]
    key = "dropped" if read.dropped else "none_dropped"
    lines.append(words[key].format(count=len(read.dropped)))
    lines += [
        words["drop"].format(name=one.name, ground=named(one.ground), law=one.law)
        for one in read.dropped
    ]
    lines += [
        words["transformed"].format(
            name=one.name, how=" ".join(filter(None, (named(one.action), named(one.detail))))
        )
        for one in read.transformed
    ]
    names = {one.name for one in read.kept}
    for measure in read.hidden:
        key = "hidden" if f"{measure.measure}_statut" in names else "aggregated"
        lines.append(words[key].format_map(measure.model_dump()))
    lines += _protection_lines(read, language)
    if read.accepted:
        lines.append(words["accepted"].format(count=len(read.accepted)))
    for one in read.accepted:
        key = "finding" if one.line is not None else "header_finding"
        facts = one.model_dump() | {"what": named(one.detector)}
        lines.append(words[key].format_map(facts))
    lines += [words["chance"].format_map(one.model_dump()) for one in read.chance]
    limits = ", ".join(named(code) for code in read.not_checked)
    lines += [
        words["proof"].format(names=", ".join(named(check) for check in read.proof)),
        words["limits"].format(names=limits),
        words["law"].format(law=", ".join(read.law)),
    ]
    return "\n".join(lines)


def _protection_lines(read: PrivacyReport, language: Language) -> list[str]:
    found = read.protection
    if found is None:
        return []
    words, at = _WORDS[language], 0 if language == "fr" else 1
    facts = found.model_dump() | {"unit": _NAMES[read.subject][at]}
    lines = [words["protection"].format_map(facts | {"names": ", ".join(found.quasi_identifiers)})]
    if found.sensitive:
        names = ", ".join(found.sensitive)
        distance = f"{found.t:.4g}".replace(".", "," if language == "fr" else ".")
        lines.append(words["diversity"].format_map(facts | {"names": names, "t": distance}))
    else:
        lines.append(words["nothing_sensitive"])
    cost = found.cost
    lines.append(
        words["cost"].format(
            left=cost.rows_left_out, given=cost.rows_given, loss=_number(cost.loss, language)
        )
    )
    lines.append(words["compared"].format(count=found.releases_compared, held=cost.rows_held_back))
    if found.linked_datasets:
        lines.append(words["linked"].format(names=", ".join(found.linked_datasets)))
    lines += [
        words["coarse"].format(name=name, share=percent(share, language))
        for name, share in cost.generalised.items()
        if share
    ]
    lines.append(
        words["risk"].format(
            most=percent(found.prosecutor_risk, language),
            mean=percent(found.marketer_risk, language),
            uniques=found.uniques,
        )
    )
    if found.uniqueness:
        lines += uniqueness_lines(found.uniqueness, _NAMES[read.subject][at], language)
    answer = {one.question: one.answer for one in found.criteria}["inference"]
    inference = _NAMES.get(answer, (words["nothing_sensitive"].lower().rstrip("."),) * 2)[at]
    return [*lines, words["criteria"].format_map(facts | {"inference": inference})]


def _number(value: float, language: Language) -> str:
    text = f"{value:.3f}"
    return text.replace(".", ",") if language == "fr" else text


def _decision_lines(read: PrivacyReport, language: Language) -> list[str]:
    words = _WORDS[language]
    if read.decided is None:
        return [words["undecided"]]
    until = read.decided.until
    lines = [
        words["decided"].format(
            by=read.decided.by,
            date=read.decided.date.isoformat(),
            until=words["until"].format(until=until.isoformat()) if until else "",
        )
    ]
    if opinion := read.dpo_opinion:
        lines.append(
            words["dpo"].format(
                opinion=_NAMES[opinion.opinion][0 if language == "fr" else 1],
                date=opinion.date.isoformat(),
                ref=words["ref"].format(ref=opinion.ref) if opinion.ref else "",
            )
        )
    return lines
