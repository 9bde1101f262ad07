"""Balance transactions: what each charge, refund, dispute and payout does to the account's balance.

Shapes and reporting categories: https://docs.stripe.com/reports/balance-transaction-types.
"""

from typing import Any

from billing.local.stripe.currencies import charge_fee, convert, dispute_fee, rate
from billing.local.stripe.ids import new_id
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work

DAY = 86_400
SETTLEMENT_DAYS = 2


def post(
    work: Work,
    kind: str,
    source: Obj,
    amount: int,
    *,
    category: str,
    fee: int = 0,
    fee_text: str = "Stripe processing fees",
    available_on: int | None = None,
    exchange_rate: float | None = None,
    currency: str | None = None,
) -> Obj:
    """Add a balance transaction; `amount` is signed and in the settlement currency."""
    available = work.now if available_on is None else available_on
    return work.add(
        "balance_transaction",
        {
            "id": new_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": available,
            "balance_type": "payments",
            "created": work.now,
            "currency": currency or work.account.currency,
            "description": source.get("description"),
            "exchange_rate": exchange_rate,
            "fee": fee,
            "fee_details": _fee_details(work, fee, fee_text),
            "net": amount - fee,
            "reporting_category": category,
            "source": source["id"],
            "status": "available" if available <= work.now else "pending",
            "type": kind,
            "_": {"payout": None},
        },
    )


def _fee_details(work: Work, fee: int, text: str) -> list[Obj]:
    if fee == 0:
        return []
    return [
        {
            "amount": fee,
            "application": None,
            "currency": work.account.currency,
            "description": text,
            "type": "stripe_fee",
        }
    ]


def settled(work: Work, amount: int, currency: str) -> tuple[int, float | None]:
    """A sum in the account's currency, and the rate when it had to be converted."""
    home = work.account.currency
    if currency == home:
        return amount, None
    return convert(amount, currency, home), float(rate(currency, home))


def post_charge(work: Work, charge: Obj, *, at_once: bool, bank: bool) -> Obj:
    """Money in: 2.9 % plus the fixed part is the fee; available two days later at midnight UTC."""
    amount, exchange = settled(work, charge["amount_captured"], charge["currency"])
    midnight = work.now - work.now % DAY + SETTLEMENT_DAYS * DAY
    posted = post(
        work,
        "payment" if bank else "charge",
        charge,
        amount,
        category="charge",
        fee=charge_fee(amount, work.account.currency),
        exchange_rate=exchange,
        available_on=work.now if at_once else midnight,
    )
    if not at_once:
        work.store.at(midnight, "funds_available", posted["id"])
    work.change(charge, balance_transaction=posted["id"])
    if at_once:
        work.emit("balance.available", balance(work))
    return posted


def post_charge_failure(work: Work, charge: Obj) -> Obj:
    """A bank debit that was paid and came back: the sum leaves again, the fee stays with Stripe."""
    taken = work.get("balance_transaction", charge["balance_transaction"])
    return post(
        work,
        "payment_failure_refund",
        charge,
        -taken["amount"],
        category="charge_failure",
        exchange_rate=taken["exchange_rate"],
    )


def post_refund(work: Work, refund: Obj, *, bank: bool) -> Obj:
    """Money back to the payer; the fee of the charge stays with Stripe."""
    amount, exchange = settled(work, refund["amount"], refund["currency"])
    kind = "payment_refund" if bank else "refund"
    posted = post(work, kind, refund, -amount, category="refund", exchange_rate=exchange)
    work.change(refund, balance_transaction=posted["id"])
    return posted


def post_refund_failure(work: Work, refund: Obj) -> Obj:
    """A refund that bounced comes back to the balance."""
    taken = work.get("balance_transaction", refund["balance_transaction"])
    posted = post(
        work,
        "refund_failure",
        refund,
        -taken["amount"],
        category="refund_failure",
        exchange_rate=taken["exchange_rate"],
    )
    work.change(refund, failure_balance_transaction=posted["id"])
    return posted


def post_dispute(work: Work, dispute: Obj, *, won: bool) -> Obj:
    """A dispute takes the sum and a fee of $15; a dispute won gives the sum back."""
    amount, exchange = settled(work, dispute["amount"], dispute["currency"])
    category = "dispute_reversal" if won else "dispute"
    posted = post(
        work,
        "adjustment",
        dispute,
        amount if won else -amount,
        category=category,
        fee=0 if won else dispute_fee(work.account.currency),
        fee_text="Dispute fee",
        exchange_rate=exchange,
    )
    dispute["balance_transactions"].append(_embedded(posted))
    work.change(dispute)
    return posted


def _embedded(transaction: Obj) -> Obj:
    return {name: value for name, value in transaction.items() if name != "_"}


def post_payout(work: Work, payout: Obj) -> Obj:
    """Money leaves for the bank."""
    return post(
        work,
        "payout",
        payout,
        -payout["amount"],
        category="payout",
        available_on=payout["arrival_date"],
        currency=payout["currency"],
    )


_TOLD = "balance told"


def make_available(work: Work, transaction_id: str) -> None:
    """Two days have passed: pending money becomes available.

    What becomes available at one moment is told once: the balance is added up from all there is.
    """
    transaction = work.find("balance_transaction", transaction_id)
    if transaction is None or transaction["status"] != "pending":
        return
    work.change(transaction, status="available")
    if work.store.note(_TOLD) != str(work.now):
        work.store.set_note(_TOLD, str(work.now))
        work.emit("balance.available", balance(work))


def balance(work: Work) -> Obj:
    """Stripe's balance object: what is available and what is on its way, by currency."""
    sums = totals(work) or {work.account.currency: {"available": 0, "pending": 0}}
    return {
        "object": "balance",
        "available": _listed(sums, "available"),
        "livemode": False,
        "pending": _listed(sums, "pending"),
        "refund_and_dispute_prefunding": {"available": [], "pending": []},
    }


def _listed(totals: dict[str, dict[str, int]], name: str) -> list[Obj]:
    return [
        {"amount": sums[name], "currency": currency, "source_types": {"card": sums[name]}}
        for currency, sums in sorted(totals.items())
    ]


def totals(work: Work) -> dict[str, dict[str, int]]:
    """Net sums by currency: {'usd': {'available': …, 'pending': …}}."""
    work.store.flush()
    rows: Any = work.store.db.execute(
        "SELECT json_extract(body, '$.currency'), json_extract(body, '$.type') = 'payout' OR "
        "json_extract(body, '$.available_on') <= ?, sum(json_extract(body, '$.net')) "
        "FROM objects WHERE kind = 'balance_transaction' GROUP BY 1, 2",
        (work.now,),
    )
    found: dict[str, dict[str, int]] = {}
    for currency, available, total in rows:
        sums = found.setdefault(currency, {"available": 0, "pending": 0})
        sums["available" if available else "pending"] += total
    return found
