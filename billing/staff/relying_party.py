"""Who this service is to a passkey: WebAuthn's relying party, made from BASE_URL.

Passkeys belong to a domain name; browsers refuse them for IP addresses (WebAuthn Level 3 §5.1.2).
On one machine `localhost` takes the place of 127.0.0.1: browsers treat it as safe without https.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

LOCALHOST = "localhost"


@dataclass(frozen=True)
class RelyingParty:
    """The domain that passkeys are bound to, and the only origin that may ask for them."""

    id: str
    origin: str

    @property
    def can_have_passkeys(self) -> bool:
        """Whether a browser would make a passkey for it: a name, and https or localhost."""
        return _ip(self.id) is None and (self.origin.startswith("https://") or self.is_local)

    @property
    def is_local(self) -> bool:
        """Whether it is this very machine."""
        return self.id == LOCALHOST or self.id.endswith(f".{LOCALHOST}")

    def url(self, path: str) -> str:
        """The address of a staff page, at the origin where its passkeys work."""
        return f"{self.origin}{path}"


def relying_party(base_url: str) -> RelyingParty:
    """The relying party of a service at `base_url`; a loopback address becomes localhost."""
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    address = _ip(host)
    if address is not None and address.is_loopback:
        host = LOCALHOST
    shown = f"[{host}]" if ":" in host else host
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    port = f":{parts.port}" if parts.port not in (None, usual) else ""
    return RelyingParty(id=host, origin=f"{parts.scheme}://{shown}{port}")


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
