"""What kind of site led somebody to a page. The site itself is never noted. Pure."""

from __future__ import annotations

import re
from enum import StrEnum
from urllib.parse import urlsplit


class Referrer(StrEnum):
    """Kinds of sites."""

    DIRECT = "direct"
    """None is named: a bookmark, an app, a browser that does not tell."""
    INSIDE = "inside"
    """The site on which the page stands."""
    SEARCH = "search"
    SOCIAL = "social"
    MESSENGER = "messenger"
    MAIL = "mail"
    SITES = "sites"
    """Any other."""


PATTERNS: dict[Referrer, str] = {
    Referrer.MAIL: r"^(mail|e|outlook)\.|(^|\.)(outlook\.live|gmail)\.com$",
    Referrer.SEARCH: r"(^|\.)(google|bing|duckduckgo|yandex|ya|yahoo|ecosia|baidu|startpage|qwant"
    r"|kagi|brave|seznam|naver)\.[a-z.]+$",
    Referrer.MESSENGER: r"(^|\.)(t\.me|telegram\.(org|me)|whatsapp\.com|wa\.me|viber\.com"
    r"|signal\.org|slack\.com|discord\.com)$",
    Referrer.SOCIAL: r"(^|\.)(facebook\.com|fb\.com|instagram\.com|twitter\.com|x\.com|t\.co"
    r"|vk\.com|ok\.ru|linkedin\.com|lnkd\.in|reddit\.com|tiktok\.com|threads\.(net|com)|youtube\.com"
    r"|bsky\.app|pinterest\.com|tumblr\.com)$",
}
"""By the name of the host, in this order; Python and a browser read them alike."""
_COMPILED = {kind: re.compile(pattern) for kind, pattern in PATTERNS.items()}


def kind_of(referrer: str | None, own_host: str) -> Referrer:
    """The kind of the site that a browser names as where its reader came from."""
    if not referrer:
        return Referrer.DIRECT
    try:
        host = (urlsplit(referrer).hostname or "").lower()
    except ValueError:
        return Referrer.SITES
    if host == own_host:
        return Referrer.INSIDE
    found = (kind for kind, pattern in _COMPILED.items() if pattern.search(host))
    return next(found, Referrer.SITES)
