"""What comes after a payment, as Stripe tells it: refunds, disputes, fraud warnings, payouts.

A part of the gateway, which holds the connection and turns Stripe's errors into ours: every
function here raises `OutcomeUnknownError`, `BusyError` or `RefusedError` as `Gateway.ask` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from billing.db import Json
from billing.gateway import (
    BalanceTransaction,
    Gateway,
    MoneyMoved,
    created_between,
    id_of,
    moment_of,
    read_balance,
    read_money_moved,
)

_REFUND_EXPANSIONS = ["balance_transaction", "failure_balance_transaction"]


@dataclass(frozen=True, kw_only=True)
class ChargeAtStripe:
    """One of Stripe's charges: what a PaymentIntent leaves behind when it is confirmed."""

    id: str
    payment_intent_id: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class RefundAtStripe:
    """A refund; `amount` in minor units of the charge's `currency`."""

    id: str
    charge_id: str | None
    status: str
    """pending, requires_action, succeeded, failed or canceled."""
    failure_reason: str | None
    amount: int
    currency: str
    created: datetime
    movements: tuple[BalanceTransaction, ...]
    """The money leaving the balance, and coming back when the refund failed."""
    metadata: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class DisputeAtStripe:
    """A dispute or inquiry; `amount` in minor units of `currency`."""

    id: str
    charge: ChargeAtStripe
    status: str
    reason: str
    amount: int
    currency: str
    created: datetime
    respond_by: datetime | None
    movements: tuple[BalanceTransaction, ...]


@dataclass(frozen=True, kw_only=True)
class WarningAtStripe:
    """An early fraud warning."""

    id: str
    charge: ChargeAtStripe
    fraud_type: str
    created: datetime


@dataclass(frozen=True, kw_only=True)
class PayoutAtStripe:
    """A payout to the bank; `amount` in minor units of `currency`."""

    id: str
    status: str
    automatic: bool
    amount: int
    currency: str
    created: datetime
    arrives: datetime
    failure_code: str | None
    complete: bool
    """Whether Stripe has tied every movement to it that it pays out."""
    movements: tuple[BalanceTransaction, ...]
    """The money leaving the balance, and coming back when the payout failed."""


def get_charge(gateway: Gateway, charge_id: str) -> ChargeAtStripe:
    """A charge of Stripe's as it is now."""
    return _charge(gateway.ask(lambda client: client.v1.charges.retrieve(charge_id)))


def create_refund(gateway: Gateway, params: Json, idempotency_key: str) -> RefundAtStripe:
    """Give money back. No retry happens here: the caller replays under the same key."""
    return _refund(
        gateway.ask(
            lambda client: client.v1.refunds.create(
                params=cast(Any, {**params, "expand": _REFUND_EXPANSIONS}),
                options={"idempotency_key": idempotency_key, "max_network_retries": 0},
            )
        )
    )


def get_refund(gateway: Gateway, refund_id: str) -> RefundAtStripe:
    """A refund as it is now."""
    return _refund(
        gateway.ask(
            lambda client: client.v1.refunds.retrieve(
                refund_id, params={"expand": _REFUND_EXPANSIONS}
            )
        )
    )


def list_refunds(
    gateway: Gateway, *, charge_id: str | None = None, since: datetime | None = None
) -> Iterator[RefundAtStripe]:
    """Refunds, newest first: of one of Stripe's charges, or made at or after `since`."""
    params: Json = {"expand": [f"data.{name}" for name in _REFUND_EXPANSIONS]}
    if charge_id is not None:
        params["charge"] = charge_id
    if since is not None:
        params["created"] = created_between(since)
    yield from map(_refund, gateway.list_all("/v1/refunds", params))


def get_dispute(gateway: Gateway, dispute_id: str) -> DisputeAtStripe:
    """A dispute as it is now, with its charge."""
    row = gateway.ask(
        lambda client: client.v1.disputes.retrieve(dispute_id, params={"expand": ["charge"]})
    )
    respond_by = (row.get("evidence_details") or {}).get("due_by")
    return DisputeAtStripe(
        id=row["id"],
        charge=_charge(row["charge"]),
        status=row["status"],
        reason=row["reason"],
        amount=int(row["amount"]),
        currency=row["currency"],
        created=moment_of(row["created"]),
        respond_by=moment_of(respond_by) if respond_by else None,
        movements=tuple(read_balance(moved) for moved in row["balance_transactions"]),
    )


def get_warning(gateway: Gateway, warning_id: str) -> WarningAtStripe:
    """An early fraud warning, with its charge."""
    row = gateway.ask(
        lambda client: client.v1.radar.early_fraud_warnings.retrieve(
            warning_id, params={"expand": ["charge"]}
        )
    )
    return WarningAtStripe(
        id=row["id"],
        charge=_charge(row["charge"]),
        fraud_type=row["fraud_type"],
        created=moment_of(row["created"]),
    )


def get_payout(gateway: Gateway, payout_id: str) -> PayoutAtStripe:
    """A payout as it is now."""
    expand = ["balance_transaction", "failure_balance_transaction"]
    return _payout(
        gateway.ask(lambda client: client.v1.payouts.retrieve(payout_id, params={"expand": expand}))
    )


def list_payouts(gateway: Gateway, since: datetime) -> Iterator[PayoutAtStripe]:
    """Payouts made at or after `since`, newest first, without their movements."""
    yield from map(_payout, gateway.list_all("/v1/payouts", {"created": created_between(since)}))


def list_paid_out(gateway: Gateway, payout_id: str) -> Iterator[MoneyMoved]:
    """The movements that an automatic payout pays out, newest first, its own among them."""
    params: Json = {"payout": payout_id, "expand": ["data.source"]}
    yield from map(read_money_moved, gateway.list_all("/v1/balance_transactions", params))


def _charge(row: Json) -> ChargeAtStripe:
    return ChargeAtStripe(
        id=row["id"],
        payment_intent_id=id_of(row.get("payment_intent")),
        metadata=row.get("metadata") or {},
    )


def _refund(row: Json) -> RefundAtStripe:
    return RefundAtStripe(
        id=row["id"],
        charge_id=id_of(row.get("charge")),
        status=row["status"],
        failure_reason=row.get("failure_reason"),
        amount=int(row["amount"]),
        currency=row["currency"],
        created=moment_of(row["created"]),
        movements=_movements(row),
        metadata=row.get("metadata") or {},
    )


def _payout(row: Json) -> PayoutAtStripe:
    return PayoutAtStripe(
        id=row["id"],
        status=row["status"],
        automatic=bool(row["automatic"]),
        amount=int(row["amount"]),
        currency=row["currency"],
        created=moment_of(row["created"]),
        arrives=moment_of(row["arrival_date"]),
        failure_code=row.get("failure_code"),
        complete=row.get("reconciliation_status") == "completed",
        movements=_movements(row),
    )


def _movements(row: Json) -> tuple[BalanceTransaction, ...]:
    """The balance transactions that came expanded with an object, the first and the one undone."""
    found = (row.get(name) for name in _REFUND_EXPANSIONS)
    return tuple(read_balance(moved) for moved in found if isinstance(moved, dict))
