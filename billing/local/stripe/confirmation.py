"""How a confirmation was asked for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Confirmation:
    """`slow_debit`: a bank debit settles after days instead of at once (the hosted page's)."""

    off_session: bool = False
    return_url: str | None = None
    error_on_requires_action: bool = False
    slow_debit: bool = False
