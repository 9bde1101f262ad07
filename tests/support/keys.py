"""Security keys in a browser: Chromium's virtual authenticators, by its DevTools protocol."""

from __future__ import annotations

from typing import Any

from tests.support.browser import Person

_KEY: dict[str, Any] = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
}


class Keys:
    """What one person has at hand: a single key at a time, whose PIN they know."""

    def __init__(self, person: Person) -> None:
        self._devtools = person.context.new_cdp_session(person.page)
        self._devtools.send("WebAuthn.enable")
        self._plugged_in = ""

    def plug_in(self) -> None:
        """Take another, empty key, and put the last one aside."""
        self.unplug()
        made = self._devtools.send("WebAuthn.addVirtualAuthenticator", {"options": _KEY})
        self._plugged_in = made["authenticatorId"]

    def unplug(self) -> None:
        """Have no key at hand."""
        if self._plugged_in:
            key = {"authenticatorId": self._plugged_in}
            self._devtools.send("WebAuthn.removeVirtualAuthenticator", key)
            self._plugged_in = ""
