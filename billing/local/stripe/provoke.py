"""Controls that make something happen which only time, a bank or a cardholder would bring."""

from typing import Any

from billing.local.stripe import disputing, mandates, payouts, schedule, sessions
from billing.local.stripe.declines import known_declines
from billing.local.stripe.house import House
from billing.local.stripe.work import public


def expire_session(house: House, given: dict[str, Any], object_id: str) -> Any:
    """POST /_standin/sessions/:id/expire."""
    work = house.work()
    session = work.get("checkout.session", object_id)
    sessions.check_open(session)
    sessions.expire(work, session)
    return public(session)


def settle_debit(house: House, given: dict[str, Any], object_id: str) -> Any:
    """POST /_standin/payment_intents/:id/settle {outcome: succeeded | failed, code}."""
    work = house.work()
    intent = work.get("payment_intent", object_id)
    if intent["status"] != "processing":
        raise ValueError(f"{object_id} is {intent['status']}, not processing")
    charge = work.get("charge", intent["latest_charge"])
    ends = charge["_"]["ends"]
    ends["outcome"] = given.get("outcome", ends["outcome"])
    ends["code"] = given.get("code", ends["code"])
    work.change(charge)
    schedule.settle_debit(work, object_id)
    return public(work.get("payment_intent", object_id))


def return_debit(house: House, given: dict[str, Any], object_id: str) -> Any:
    """POST /_standin/payment_intents/:id/return {code}: a debit that was paid comes back."""
    work = house.work()
    intent = work.get("payment_intent", object_id)
    charge = work.get("charge", intent["latest_charge"])
    if intent["status"] != "succeeded" or charge["_"]["type"] == "card":
        raise ValueError(f"{object_id} is no bank debit that was paid")
    schedule.return_debit(work, intent, charge, given.get("code", "debit_not_authorized"))
    return public(work.get("payment_intent", object_id))


def settle_all(house: House, given: dict[str, Any], _: str) -> Any:
    """POST /_standin/settle: every bank debit that is under way ends now."""
    rows = house.store.db.execute("SELECT id FROM due WHERE task = 'settle_debit'").fetchall()
    for (intent_id,) in rows:
        schedule.settle_debit(house.work(), intent_id)
    house.store.write("DELETE FROM due WHERE task = 'settle_debit'")
    return {"settled": [row[0] for row in rows]}


def open_dispute(house: House, given: dict[str, Any], object_id: str) -> Any:
    """POST /_standin/charges/:id/dispute {reason, inquiry}."""
    work = house.work()
    charge = work.get("charge", object_id)
    dispute = disputing.open_dispute(
        work, charge, given.get("reason", "fraudulent"), inquiry=bool(given.get("inquiry"))
    )
    return public(dispute)


def warn(house: House, given: dict[str, Any], object_id: str) -> Any:
    """POST /_standin/charges/:id/early_fraud_warning {fraud_type}."""
    work = house.work()
    charge = work.get("charge", object_id)
    fraud_type = given.get("fraud_type", "made_with_stolen_card")
    return public(disputing.warn(work, charge, fraud_type))


def close_dispute(house: House, given: dict[str, Any], object_id: str) -> Any:
    """POST /_standin/disputes/:id/close {status: won | lost | warning_closed}."""
    work = house.work()
    dispute = work.get("dispute", object_id)
    status = given.get("status", "lost")
    if status not in ("won", "lost", "warning_closed"):
        raise ValueError("status must be won, lost or warning_closed")
    if dispute["status"] not in disputing.OPEN:
        raise ValueError(f"{object_id} is {dispute['status']} already")
    disputing.close(work, dispute, status)
    return public(dispute)


def escalate(house: House, given: dict[str, Any], object_id: str) -> Any:
    """POST /_standin/disputes/:id/escalate: an inquiry becomes a chargeback."""
    work = house.work()
    dispute = work.get("dispute", object_id)
    if not dispute["status"].startswith("warning_") or dispute["status"] == "warning_closed":
        raise ValueError(f"{object_id} is {dispute['status']}: not an open inquiry")
    disputing.escalate(work, dispute)
    return public(dispute)


def update_card(house: House, given: dict[str, Any], object_id: str) -> Any:
    """POST /_standin/payment_methods/:id/auto_update {exp_month, exp_year, last4}.

    As when the bank sends a new card and the network tells Stripe.
    """
    work = house.work()
    method = work.get("payment_method", object_id)
    if method["type"] != "card":
        raise ValueError("only cards are updated automatically")
    card = method["card"]
    change = {name: given[name] for name in ("exp_month", "exp_year", "last4") if name in given}
    change.setdefault("exp_year", card["exp_year"] + 3)
    previous = {"card": {name: card[name] for name in change}}
    work.change(method, card={**card, **change})
    work.emit("payment_method.automatically_updated", method, previous)
    return public(method)


def force_decline(house: House, given: dict[str, Any], object_id: str) -> Any:
    """POST /_standin/payment_methods/:id/decline {decline_code, advice_code, times}.

    The next `times` charges of this method are declined; times=0 ends it.
    """
    work = house.work()
    method = work.get("payment_method", object_id)
    code = given.get("decline_code", "generic_decline")
    if code not in known_declines():
        raise ValueError(f"decline_code must be one of: {', '.join(known_declines())}")
    forced = {"decline_code": code, "times": int(given.get("times", 1))}
    if "advice_code" in given:
        forced["advice_code"] = given["advice_code"]
    method["_"]["forced"] = forced if forced["times"] > 0 else None
    work.change(method)
    return {"payment_method": object_id, "forced": method["_"]["forced"]}


def revoke_mandate(house: House, given: dict[str, Any], object_id: str) -> Any:
    """POST /_standin/mandates/:id/revoke."""
    work = house.work()
    mandate = work.get("mandate", object_id)
    mandates.revoke(work, mandate)
    return public(mandate)


def fail_payout(house: House, given: dict[str, Any], object_id: str) -> Any:
    """POST /_standin/payouts/:id/fail."""
    work = house.work()
    payout = work.get("payout", object_id)
    if payout["status"] in ("failed", "canceled"):
        raise ValueError(f"{object_id} is {payout['status']} already")
    payouts.fail(work, payout)
    return public(payout)


def run_payouts(house: House, given: dict[str, Any], _: str) -> Any:
    """POST /_standin/payouts/run: the daily run, now, with what is available."""
    payouts.pay_out(house.work())
    return {"ok": True}


def resend(house: House, given: dict[str, Any], object_id: str) -> Any:
    """POST /_standin/events/:id/resend."""
    work = house.work()
    work.get("event", object_id)
    house.store.write(
        "UPDATE deliveries SET state = 'waiting', next_at = ? WHERE event = ?",
        (work.now, object_id),
    )
    return {"event": object_id}


CONTROLS = {
    ("POST", "/_standin/sessions/{id}/expire"): expire_session,
    ("POST", "/_standin/payment_intents/{id}/settle"): settle_debit,
    ("POST", "/_standin/payment_intents/{id}/return"): return_debit,
    ("POST", "/_standin/settle"): settle_all,
    ("POST", "/_standin/charges/{id}/dispute"): open_dispute,
    ("POST", "/_standin/charges/{id}/early_fraud_warning"): warn,
    ("POST", "/_standin/disputes/{id}/close"): close_dispute,
    ("POST", "/_standin/disputes/{id}/escalate"): escalate,
    ("POST", "/_standin/payment_methods/{id}/auto_update"): update_card,
    ("POST", "/_standin/payment_methods/{id}/decline"): force_decline,
    ("POST", "/_standin/mandates/{id}/revoke"): revoke_mandate,
    ("POST", "/_standin/payouts/{id}/fail"): fail_payout,
    ("POST", "/_standin/payouts/run"): run_payouts,
    ("POST", "/_standin/events/{id}/resend"): resend,
}
