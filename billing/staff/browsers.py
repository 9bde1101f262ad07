"""Which browser a request comes from, as coarsely as it takes to see that it is another one."""

from __future__ import annotations

_FAMILIES = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def browser_of(user_agent: str) -> str:
    """The family and system of a browser, such as "Firefox on Linux"; never its version.

    Half the world shares one of a dozen answers, so it tells nobody apart; but it stays the same
    while a browser updates itself, and another machine's is often another.
    """
    family = next((name for mark, name in _FAMILIES if mark in user_agent), "Another browser")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "another system")
    return f"{family} on {system}"
