"""Who we are to passkeys."""

from __future__ import annotations

import pytest

from billing.staff.relying_party import relying_party


@pytest.mark.parametrize(
    ("base_url", "id_", "origin", "can"),
    [
        ("https://support.example.org", "support.example.org", "https://support.example.org", True),
        ("https://Support.Example.org:443/x", "support.example.org",
         "https://support.example.org", True),
        ("https://example.org:8443", "example.org", "https://example.org:8443", True),
        ("http://127.0.0.1:8000", "localhost", "http://localhost:8000", True),
        ("http://[::1]:8000", "localhost", "http://localhost:8000", True),
        ("http://localhost", "localhost", "http://localhost", True),
        ("http://news.localhost:81", "news.localhost", "http://news.localhost:81", True),
        ("http://example.org", "example.org", "http://example.org", False),
        ("https://203.0.113.7", "203.0.113.7", "https://203.0.113.7", False),
        ("https://[2001:db8::1]:8443", "2001:db8::1", "https://[2001:db8::1]:8443", False),
    ],
)  # fmt: skip
def test_passkeys_belong_to_a_name(base_url: str, id_: str, origin: str, can: bool) -> None:
    party = relying_party(base_url)
    assert (party.id, party.origin, party.can_have_passkeys) == (id_, origin, can)
