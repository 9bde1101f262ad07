"""What the views of a ceremony share: offering a challenge, and taking the answer to it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import cast

from flask import Response, jsonify, request, session as browser_session
from sqlalchemy.orm import Session

from billing.staff import passkeys
from billing.staff.ceremonies import Ceremonies, Options, challenge_of
from billing.staff.challenges import make_challenge, take_challenge
from billing.staff.passkeys import Known, PasskeyCopiedError
from billing.staff.relying_party import RelyingParty, relying_party
from billing.web import runtime

_BROWSER = "staff_browser"


def party() -> RelyingParty:
    """Who we are to passkeys."""
    return relying_party(runtime().settings.base_url)


def ceremonies() -> Ceremonies:
    """What asks for passkeys and checks them."""
    return Ceremonies(party(), runtime().settings.newsroom.name)


def now() -> datetime:
    """This moment."""
    return runtime().clock.now()


def browser_text() -> str:
    """A random text in this browser's own cookie, by which it is known for a ceremony or a link."""
    if _BROWSER not in browser_session:
        browser_session[_BROWSER] = secrets.token_urlsafe(16)
    return cast(str, browser_session[_BROWSER])


def offer(purpose: str, make: Callable[[Session, bytes], Options]) -> Response:
    """A new challenge for `purpose` within the options that `make` gives, for our script."""
    with runtime().database.transaction() as session:
        challenge = make_challenge(session, purpose, browser=browser_text(), now=now())
        options = make(session, challenge)
    return jsonify(options)


def take_answer(purpose: str) -> tuple[bytes, str]:
    """The challenge that the form's answer is for, used up for good, and the answer.

    Raises:
        PasskeyError: when it is not one that this browser was asked for this purpose.
    """
    answer = request.form.get("answer", "")
    challenge = challenge_of(answer)
    with runtime().database.transaction() as session:
        take_challenge(session, challenge, purpose, browser=browser_text(), now=now())
    return challenge, answer


@contextmanager
def recognised(
    challenge: bytes, answer: str, *, of: int | None = None
) -> Iterator[tuple[Session, Known]]:
    """A transaction in which a passkey (of one member, where asked) has been recognised.

    Raises:
        PasskeyError: when it is not. A counter that went back is written down besides.
    """
    try:
        with runtime().database.transaction() as session:
            known = passkeys.find_for(session, answer, staff_member_id=of)
            said = ceremonies().asserted(challenge, answer, known.credential_data)
            passkeys.note_use(session, known, said, now())
            yield session, known
    except PasskeyCopiedError as error:
        with runtime().database.transaction() as session:
            passkeys.note_copied(session, error, now())
        raise
