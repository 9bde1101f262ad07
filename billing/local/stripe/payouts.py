"""Payouts: every day, what has become available goes to the bank.

An automatic payout is tied to the balance transactions it pays out, its own included, so that
`balance_transactions?payout=po_…` adds up to nothing and the rest of it to the payout's amount.
"""

from billing.local.stripe import ledger
from billing.local.stripe.ids import new_id
from billing.local.stripe.params import Params, merge_metadata
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work

DAY = 86_400
BANK_ACCOUNT = "ba_000standin"
FAILURE = "The bank account has been closed."


def create(
    work: Work, amount: int, currency: str, *, automatic: bool, given: Params | None = None
) -> Obj:
    """Store a payout and take its sum from the balance; it arrives a day later."""
    given = given or {}
    arrival = work.now - work.now % DAY + DAY
    payout = work.add(
        "payout",
        {
            "id": new_id("po"),
            "object": "payout",
            "amount": amount,
            "application_fee": None,
            "application_fee_amount": None,
            "arrival_date": arrival,
            "automatic": automatic,
            "balance_transaction": None,
            "created": work.now,
            "currency": currency,
            "description": given.get("description") or ("STRIPE PAYOUT" if automatic else None),
            "destination": BANK_ACCOUNT,
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "livemode": False,
            "metadata": merge_metadata({}, given.get("metadata")),
            "method": given.get("method", "standard"),
            "original_payout": None,
            "payout_method": None,
            "reconciliation_status": "in_progress" if automatic else "not_applicable",
            "reversed_by": None,
            "source_type": "card",
            "statement_descriptor": given.get("statement_descriptor"),
            "status": "pending",
            "trace_id": None,
            "type": "bank_account",
        },
    )
    posted = ledger.post_payout(work, payout)
    work.change(payout, balance_transaction=posted["id"])
    if automatic:
        _tie(work, posted, payout)
    work.emit("payout.created", payout)
    work.store.at(arrival, "payout_arrives", payout["id"])
    return payout


def pay_out(work: Work) -> None:
    """The day's automatic payouts: one a currency with money available and not paid out yet."""
    work.store.flush()
    rows = work.store.db.execute(
        "SELECT id, json_extract(body, '$.currency') FROM objects WHERE kind = "
        "'balance_transaction' AND json_extract(body, '$._.payout') IS NULL "
        "AND (json_extract(body, '$.available_on') <= ? OR json_extract(body, '$.type') = "
        "'payout') ORDER BY seq",
        (work.now,),
    ).fetchall()
    for currency in sorted({row[1] for row in rows}):
        waiting = [work.get("balance_transaction", row[0]) for row in rows if row[1] == currency]
        total = sum(transaction["net"] for transaction in waiting)
        if total > 0:
            payout = create(work, total, currency, automatic=True)
            for transaction in waiting:
                _tie(work, transaction, payout)


def _tie(work: Work, transaction: Obj, payout: Obj) -> None:
    transaction["_"]["payout"] = payout["id"]
    work.change(transaction)


def arrive(work: Work, payout: Obj) -> None:
    """The bank has it: paid, and (automatic ones) reconciled."""
    if payout["status"] not in ("pending", "in_transit"):
        return
    work.change(payout, status="paid")
    work.change(work.get("balance_transaction", payout["balance_transaction"]), status="available")
    work.emit("payout.paid", payout)
    if payout["automatic"]:
        previous = {"reconciliation_status": payout["reconciliation_status"]}
        work.change(payout, reconciliation_status="completed")
        work.emit("payout.reconciliation_completed", payout)
        work.emit("payout.updated", payout, previous)


def fail(work: Work, payout: Obj, code: str = "account_closed", message: str = FAILURE) -> None:
    """The bank sent it back: the money returns to the balance."""
    posted = give_back(work, payout, "payout_failure", "payout_reversal")
    work.change(
        payout,
        status="failed",
        failure_code=code,
        failure_message=message,
        failure_balance_transaction=posted["id"],
    )
    work.emit("payout.failed", payout)


def give_back(work: Work, payout: Obj, kind: str, category: str) -> Obj:
    """A balance transaction that undoes the payout's own."""
    return ledger.post(
        work, kind, payout, payout["amount"], category=category, currency=payout["currency"]
    )
