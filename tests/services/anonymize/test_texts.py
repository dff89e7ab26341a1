"""Every reason that anonymize gives can be told to people."""

from __future__ import annotations

import inspect
import re

import pytest

from services.anonymize import (
    anonymize_table,
    apply_policy,
    handlers,
    protect_counts,
    protect_table,
    quasi_identifiers,
    transforms,
    verify_table,
)
from services.anonymize.apply_policy import DETECTORS
from shared import policy_signature
from shared.messages import Reason, catalogue

CODES = sorted(
    {f"finding_{name}" for name in DETECTORS if name != "header"}.union(
        *(
            re.findall(r'Reason\(\s*code="(\w+)"', inspect.getsource(module))
            for module in (
                anonymize_table,
                apply_policy,
                handlers,
                protect_counts,
                protect_table,
                quasi_identifiers,
                transforms,
                verify_table,
                policy_signature,
            )
        )
    )
)


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_its_texts(code: str) -> None:
    """What happened, why, and what to do next, in both languages, with the facts filled in."""
    assert code in catalogue()
    facts = Reason(
        code=code,
        column="nom",
        position=2,
        line=3,
        count=4,
        limit=5,
        expected="a",
        found="b",
        detail="c",
    )
    for text in (facts.text("fr"), facts.text("en")):
        assert all(text)
        assert "{" not in str(text)


def test_the_codes_are_found() -> None:
    """The list above is made from the sources, and is not empty by mistake."""
    assert {"column_undeclared", "scan_failed", "proof_failed", "policy_unsigned"} <= set(CODES)
