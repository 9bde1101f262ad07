"""What made a supporter stop: asked after they ended a pledge, answered once or not at all.

An answer changes nothing about the pledge. It is written under the pledge's row lock, which
forgetting a supporter holds as well: nothing is kept of somebody who has been forgotten.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing.db import WRITER
from billing.pledges.domain import EndAnswer, EndReason, PledgeStatus
from billing.pledges.errors import NotPossibleError
from billing.pledges.service import get_pledge
from billing.pledges.tables import Pledge, PledgeAnswer
from billing.supporters.tables import Supporter

ASKED_FOR = timedelta(days=30)
"""How long after the end it may be told: figures of long ago are not to change."""


def may_answer(session: Session, pledge: Pledge, *, now: datetime) -> bool:
    """Whether its supporter ended it lately, is still known to us, and has not said why."""
    return _is_asked(session, pledge, now) and not has_answered(session, pledge.id)


def has_answered(session: Session, pledge_id: int) -> bool:
    """Whether its supporter has said why it ended, whatever has become of the answer since."""
    return session.get(PledgeAnswer, pledge_id) is not None


def answer(session: Session, pledge_id: int, given: EndAnswer, *, now: datetime) -> bool:
    """Keep what made its supporter stop.

    Returns:
        Whether this call did it; False when there is an answer already, which stays.

    Raises:
        PledgeNotFoundError: when there is none.
        NotPossibleError: when it was not ended by its supporter, or that is long ago, or they have
            asked to be forgotten.
    """
    pledge = get_pledge(session, pledge_id, lock=True)
    if has_answered(session, pledge_id):
        return False
    if not _is_asked(session, pledge, now):
        raise NotPossibleError
    session.add(PledgeAnswer(pledge_id=pledge_id, answer=given, answered_at=now))
    session.flush()
    return True


def forget(session: Session, supporter_id: int) -> None:
    """Empty what a supporter answered; it counts again as an end without a reason given."""
    theirs = select(Pledge.id).where(Pledge.supporter_id == supporter_id)
    session.execute(
        update(PledgeAnswer)
        .where(PledgeAnswer.pledge_id.in_(theirs), PledgeAnswer.answer.is_not(None))
        .values(answer=None, written_in=WRITER)
    )


def _is_asked(session: Session, pledge: Pledge, now: datetime) -> bool:
    return (
        pledge.status is PledgeStatus.CANCELLED
        and pledge.end_reason is EndReason.SUPPORTER
        and pledge.cancelled_at is not None
        and now - pledge.cancelled_at <= ASKED_FOR
        and session.get_one(Supporter, pledge.supporter_id).erased_at is None
    )
