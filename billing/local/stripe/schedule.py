"""What the clock brings: sessions expire, debits settle, refunds end, payouts leave and arrive.

Everything due is done in order of its time, with that time as `now`, so that a clock moved by a
month gives the books of a month and not of one long day.
"""

import logging
from collections.abc import Callable

from billing.local.stripe import charging, disputing, intents, ledger, payouts, refunding, sessions
from billing.local.stripe.banks import MESSAGES
from billing.local.stripe.declines import Decline
from billing.local.stripe.house import House
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work

log = logging.getLogger("standin")
DAY = 86_400
_PAYOUT_DAY = "payout_day"


def catch_up(house: House) -> int:
    """Do everything due by now; returns how many things were done."""
    now, done = house.clock.now(), 0
    schedule_payouts(house, now)
    while True:
        found = house.store.next_due(now)
        if found is None:
            break
        at, task, object_id = found
        work = house.work(at)
        try:
            TASKS[task](work, object_id)
            house.commit()
        except Exception:
            log.exception("a task failed: %s %s", task, object_id)
            house.store.rollback()
            house.store.write(
                "DELETE FROM due WHERE at = ? AND task = ? AND id = ?", (at, task, object_id)
            )
            house.commit()
        done += 1
    house.keys.prune(now)
    house.commit()
    return done


def schedule_payouts(house: House, now: int) -> None:
    """Put the first payout run, at the midnight after `now`, on the list; each run puts the next.

    Once is enough: later calls change nothing.
    """
    if house.store.note(_PAYOUT_DAY) is None:
        midnight = now - now % DAY + DAY
        house.store.set_note(_PAYOUT_DAY, str(midnight))
        house.store.at(midnight, "pay_out", _PAYOUT_DAY)


def _pay_out(work: Work, object_id: str) -> None:
    payouts.pay_out(work)
    work.store.at(work.now + DAY, "pay_out", object_id)


def expire_session(work: Work, session_id: str) -> None:
    """The session's time is up, unless it was completed."""
    session = work.find("checkout.session", session_id)
    if session is not None and session["status"] == "open":
        sessions.expire(work, session)


def settle_debit(work: Work, intent_id: str) -> None:
    """A bank debit ends as its account number says."""
    intent = work.find("payment_intent", intent_id)
    if intent is None or intent["status"] != "processing":
        return
    charge = work.get("charge", intent["latest_charge"])
    ends = charge["_"]["ends"]
    failed = ends["outcome"] == "failed"
    if failed:
        _fail_debit(work, intent, charge, ends["code"])
    else:
        work.change(charge, captured=True, amount_captured=charge["amount"])
        charging.succeed(work, charge, None)
        intents.finish(work, intent)
    for session in work.store.linked("checkout.session", "payment_intent", intent_id):
        sessions.settle(work, session, succeeded=not failed)
    if ends["outcome"] == "disputed":
        disputing.open_dispute(work, charge, "debit_not_authorized")


def _fail_debit(work: Work, intent: Obj, charge: Obj, code: str) -> None:
    message = MESSAGES.get(code, MESSAGES["debit_not_authorized"])
    work.change(
        charge,
        status="failed",
        paid=False,
        failure_code=code,
        failure_message=message,
        outcome={
            "network_status": "declined_by_network",
            "reason": code,
            "risk_level": "not_assessed",
            "type": "issuer_declined",
            "seller_message": message,
        },
    )
    work.emit("charge.failed", charge)
    method = work.get("payment_method", intent["payment_method"])
    refusal = Decline("payment_intent_payment_attempt_failed", code, message)
    intents.reject(work, intent, method, refusal, charge["id"])


def return_debit(work: Work, intent: Obj, charge: Obj, code: str) -> None:
    """A debit that was reported as paid comes back: the money leaves the balance again."""
    posted = ledger.post_charge_failure(work, charge)
    work.change(charge, failure_balance_transaction=posted["id"])
    _fail_debit(work, intent, charge, code)


def release_hold(work: Work, intent_id: str) -> None:
    """An authorisation not captured within a week is released."""
    intent = work.find("payment_intent", intent_id)
    if intent is not None and intent["status"] == "requires_capture":
        intents.cancel(work, intent, "expired")


def _finish_refund(work: Work, refund_id: str) -> None:
    refund = work.get("refund", refund_id)
    if refund["status"] == "pending":
        refunding.finish(work, refund)


def _fail_refund(work: Work, refund_id: str) -> None:
    refund = work.get("refund", refund_id)
    if refund["status"] != "failed":
        refunding.fail(work, refund)


def _payout_arrives(work: Work, payout_id: str) -> None:
    payouts.arrive(work, work.get("payout", payout_id))


TASKS: dict[str, Callable[[Work, str], None]] = {
    "pay_out": _pay_out,
    "expire_session": expire_session,
    "settle_debit": settle_debit,
    "release_hold": release_hold,
    "finish_refund": _finish_refund,
    "fail_refund": _fail_refund,
    "payout_arrives": _payout_arrives,
    "funds_available": ledger.make_available,
}
