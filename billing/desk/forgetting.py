"""What the desk does for whoever asks to be forgotten, in the caller's transaction."""

from __future__ import annotations

from sqlalchemy.orm import Session

from billing.desk.deeds import Outcome
from billing.desk.errors import StalePageError
from billing.erasure import erase_supporter
from billing.runtime import Runtime


def erase(session: Session, runtime: Runtime, supporter_id: int) -> Outcome:
    """Forget a supporter.

    Raises:
        SupporterNotFoundError: when there is no such supporter.
        StalePageError: when they had been erased before.
    """
    if not erase_supporter(session, runtime, supporter_id, now=runtime.clock.now()):
        raise StalePageError(f"Supporter {supporter_id} had been erased before.")
    words = (
        f"Supporter {supporter_id} was erased: address, name, notes and waiting mail are gone, and "
        "nothing more is taken. What happened to money stays, under the number alone."
    )
    return Outcome(words, {})
