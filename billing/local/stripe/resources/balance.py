"""/v1/balance, /v1/balance_transactions, /v1/payouts."""

from billing.local.stripe import ledger, payouts
from billing.local.stripe.currencies import check_currency
from billing.local.stripe.errors import invalid_request
from billing.local.stripe.pagination import getter, lister
from billing.local.stripe.params import Params, merge_metadata
from billing.local.stripe.resources.customers import differences
from billing.local.stripe.router import Route
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work, public


def balance(work: Work, params: Params) -> Obj:
    """GET /v1/balance."""
    return ledger.balance(work)


def create_payout(work: Work, params: Params) -> Obj:
    """POST /v1/payouts: by hand, from what is available."""
    currency = check_currency(params["currency"])
    available = ledger.totals(work).get(currency, {}).get("available", 0)
    amount = params["amount"]
    if amount < 1:
        raise invalid_request(
            "This value must be greater than or equal to 1.",
            param="amount",
            code="parameter_invalid_integer",
        )
    if amount > available:
        raise invalid_request(
            "You have insufficient funds in your Stripe account for this transfer. Your card "
            "balance is too low. You can use the /v1/balance endpoint to view your Stripe balance.",
            param="amount",
            code="balance_insufficient",
        )
    return payouts.create(work, amount, currency, automatic=False, given=params)


def update_payout(work: Work, params: Params, payout_id: str) -> Obj:
    """POST /v1/payouts/:id: metadata only."""
    payout = work.get("payout", payout_id)
    before = public(payout)
    if "metadata" in params:
        payout["metadata"] = merge_metadata(payout["metadata"], params["metadata"])
    work.change(payout)
    changed = differences(before, payout)
    if changed:
        work.emit("payout.updated", payout, changed)
    return payout


def cancel_payout(work: Work, params: Params, payout_id: str) -> Obj:
    """POST /v1/payouts/:id/cancel: a pending one made by hand."""
    payout = work.get("payout", payout_id)
    if payout["automatic"] or payout["status"] != "pending":
        raise invalid_request(
            "Payouts can only be canceled while they are pending.", code="payout_not_cancelable"
        )
    payouts.give_back(work, payout, "payout_cancel", "payout_reversal")
    work.change(payout, status="canceled")
    work.emit("payout.canceled", payout)
    return payout


_list_transactions = lister(
    "balance_transaction", "/v1/balance_transactions", "currency", "payout", "source", "type"
)


def list_transactions(work: Work, params: Params) -> Obj:
    """GET /v1/balance_transactions; only automatic payouts are tied to transactions."""
    if "payout" in params and not work.get("payout", params["payout"], "payout")["automatic"]:
        raise invalid_request(
            "Balance transaction history can only be filtered on automatic transfers, not manual.",
            param="payout",
        )
    return _list_transactions(work, params)


def account(work: Work, params: Params) -> Obj:
    """GET /v1/account: the one account there is."""
    known = work.account
    return {
        "id": "acct_000standin",
        "object": "account",
        "business_profile": {"name": known.name, "url": None},
        "business_type": "non_profit",
        "charges_enabled": True,
        "country": known.country,
        "default_currency": known.currency,
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "dashboard": {"display_name": known.name, "timezone": "Etc/UTC"},
            "payments": {"statement_descriptor": known.statement_descriptor},
            "payouts": {"schedule": {"delay_days": 2, "interval": "daily"}},
        },
        "type": "standard",
    }


ROUTES = [
    Route("GET", "/v1/balance", balance, "BalanceRetrieveParams"),
    Route("GET", "/v1/account", account, "AccountRetrieveCurrentParams"),
    Route(
        "GET",
        "/v1/balance_transactions",
        list_transactions,
        "BalanceTransactionListParams",
    ),
    Route(
        "GET",
        "/v1/balance_transactions/*",
        getter("balance_transaction"),
        "BalanceTransactionRetrieveParams",
    ),
    Route("POST", "/v1/payouts", create_payout, "PayoutCreateParams"),
    Route(
        "GET",
        "/v1/payouts",
        lister("payout", "/v1/payouts", "status", "destination"),
        "PayoutListParams",
    ),
    Route("GET", "/v1/payouts/*", getter("payout"), "PayoutRetrieveParams"),
    Route("POST", "/v1/payouts/*", update_payout, "PayoutUpdateParams"),
    Route("POST", "/v1/payouts/*/cancel", cancel_payout, "PayoutCancelParams"),
]
