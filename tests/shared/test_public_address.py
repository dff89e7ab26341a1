"""Which addresses are the public Internet's, whatever they are written as."""

from __future__ import annotations

import pytest

from shared.public_address import is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "100.64.0.1", "169.254.169.254", "192.0.0.192", "198.18.0.1",
        "224.0.0.1", "240.0.0.1", "0.0.0.0",
        "::", "::1", "fd00::1", "fe80::1%2", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1",
        "::ffff:10.0.0.1", "::ffff:0:10.0.0.1", "::10.0.0.1", "64:ff9b::10.0.0.1",
        "64:ff9b:1::10.0.0.1", "2002:0a00:0001::1", "2001:0:a00:1::", "5f00::1",
    ],
)  # fmt: skip
def test_not_the_internets(address: str) -> None:
    """Private, local, reserved, and what leads to such an address by IPv6."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "192.0.1.1", "2001:4860:4860::8888", "2a00:1450::1", "::ffff:8.8.8.8",
     "64:ff9b::8.8.8.8", "2002:808:808::1"],
)  # fmt: skip
def test_the_internets(address: str) -> None:
    """Those that everybody reaches."""
    assert is_public(address)
