"""What a column's name announces."""

from __future__ import annotations

import pytest

from services.anonymize.header_lexicon import Kind, is_personal, kind, words


@pytest.mark.parametrize(
    "name",
    [
        "prenom", "Prénom", "PRENOMS", "prenomElu", "nom_prenom", "Nom de famille", "nomNaissance",
        "date_naissance", "Date de naissance", "dateNaissance", "DATENAISS", "née_le", "ddn",
        "lieu de naissance", "birth_date", "birthDate", "DOB", "first_name", "LastName", "surname",
        "NIR", "nir_agent", "num_secu", "N° de sécurité sociale", "numero_securite_sociale", "SSN",
        "email_perso", "mail personnel", "courriel_agent", "tel_portable", "téléphone mobile",
        "mobile", "portable", "GSM", "num_portable", "tel_domicile", "adresse_personnelle",
        "adresse domicile", "home_address", "pr\u0435nom", "pre\u200bnom", "n° allocataire",
    ],
)  # fmt: skip
def test_clear_names_are_personal(name: str) -> None:
    """A name that can hardly mean anything but a person's datum is taken for one."""
    assert is_personal(name)


@pytest.mark.parametrize(
    "name",
    [
        "nom", "nomCommune", "nom_etablissement", "libelle", "naissances", "nb_naissances",
        "nombre_prenoms", "email", "courriel", "telephone", "adresse", "adresse_mail_mairie",
        "equipement_mobile", "ordinateur_portable", "mobilier", "nirvana", "borne_le", "code_postal",
        "date_creation", "annee_naissance", "mail", "page", "sexe", "ville", "telephonie", "anse",
    ],
)  # fmt: skip
def test_other_names_are_not(name: str) -> None:
    """A facility has a name, a telephone and an e-mail address; births are counted."""
    assert not is_personal(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tel", "phone"), ("Téléphone", "phone"), ("N° tél.", "phone"), ("numTel", "phone"),
        ("phone_number", "phone"), ("tel2", "phone"), ("fax", "phone"), ("code_tel", "phone"),
        ("hotel", "unknown"), ("nb_telephones", "quantity"), ("SIREN", "code"),
        ("codeInsee", "code"), ("code_iris", "code"), ("montant_ttc", "quantity"),
        ("horodatage", "time"), ("id_usager", "identifier"), ("c1", "unknown"),
    ],
)  # fmt: skip
def test_kinds(name: str, expected: Kind) -> None:
    """A name says what the column's numbers are."""
    assert kind(name) == expected


def test_words_of_camel_case() -> None:
    """Words are told apart by case, accents and signs."""
    assert words("dateDeNaissanceÉlu (N°)") == "date_de_naissance_elu_n"
