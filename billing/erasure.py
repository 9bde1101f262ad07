"""Forgetting a supporter: wiring only, because it reaches into every slice that knows people.

One transaction. The supporter's pledges are locked in the order of their ids and cancelled, then
the supporter's row is locked and emptied, then what they said made them stop, then the notes that
staff wrote, then their reminders, each with its email, then what else waits in the outbox loses its
recipient. If the process dies before the commit, nothing was forgotten: it is asked again.

A payment that is on its way at that moment holds its pledge's lock, or locks the supporter's row
to read the address: it is settled either before, and its receipt dropped here, or after, and no
receipt is written. Charges, attempts and the ledger stay: what happened to money names nobody.

What an address had asked not to be sent (`suppressions`, digests only) stays, to protect its owner.
Stripe keeps what it must by law; its customer is to be deleted there by hand.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing import outbox
from billing.charges.locks import moment_under_lock
from billing.desk import notes
from billing.pledges import answers
from billing.pledges.domain import EndReason
from billing.pledges.service import cancel
from billing.pledges.tables import Pledge
from billing.reminders.service import forget
from billing.runtime import Runtime
from billing.supporters.service import erase


def erase_supporter(
    session: Session, runtime: Runtime, supporter_id: int, *, now: datetime
) -> bool:
    """Forget a supporter: address and name, waiting mail, reminders; end their pledges.

    Returns:
        Whether this call did it; False when they had been erased before.

    Raises:
        SupporterNotFoundError: when there is no such supporter.
    """
    zone = runtime.settings.newsroom.timezone
    theirs = select(Pledge.id).where(Pledge.supporter_id == supporter_id).order_by(Pledge.id)
    for pledge_id in session.scalars(theirs).all():
        ended_at = moment_under_lock(session, pledge_id, runtime.clock)
        cancel(session, pledge_id, zone=zone, now=ended_at, reason=EndReason.ERASED)
    session.flush()
    erased, digest = erase(session, supporter_id, now=now)
    if not erased:
        return False
    answers.forget(session, supporter_id)
    notes.forget(session, supporter_id, now=now)
    if digest is not None:
        forget(session, digest, now=now)
        outbox.forget(session, digest)
    return True
