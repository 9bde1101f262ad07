"""A supporter as their page at the desk shows them. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.charges.domain import ChargeStatus
from billing.charges.tables import Charge
from billing.charges.tables_after import FraudWarning
from billing.money import Money
from billing.pledges.domain import CHARGEABLE, Cadence, EndReason, PledgeStatus
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from billing.supporters.service import get_supporter


@dataclass(frozen=True, kw_only=True)
class PledgeCard:
    """A pledge as it stands, with what can be done about it."""

    id: int
    status: PledgeStatus
    amount: Money
    cadence: Cadence
    since: datetime
    next_charge_at: datetime | None
    paused_until: datetime | None
    ended_at: datetime | None
    end_reason: EndReason | None
    past_due_since: datetime | None
    past_due_reason: str | None
    held_since: datetime | None
    warnings: list[int]
    """The fraud warnings that hold it."""
    card: str
    """Such as `visa ···· 4242`; empty where none is saved."""
    stripe_customer_id: str

    @property
    def may_pause(self) -> bool:
        """Whether it can be paused or lowered."""
        return self.status in CHARGEABLE

    @property
    def may_end(self) -> bool:
        """Whether there is anything left to do about it."""
        return self.status is not PledgeStatus.CANCELLED


@dataclass(frozen=True, kw_only=True)
class Given:
    """What somebody has given in one currency, less what was given back."""

    total: Money
    payments: int


@dataclass(frozen=True, kw_only=True)
class PersonSeen:
    """Who somebody is and what they promised."""

    id: int
    address: str | None
    """None once they were erased, or where none was ever known."""
    name: str | None
    digest: bytes | None
    language: str
    since: datetime
    erased_at: datetime | None
    pledges: list[PledgeCard]
    given: list[Given]

    @property
    def customers(self) -> list[str]:
        """Their customers at Stripe, who are to be deleted there by hand after an erasure."""
        return sorted({pledge.stripe_customer_id for pledge in self.pledges})


def look_at(session: Session, runtime: Runtime, supporter_id: int) -> PersonSeen:
    """The supporter as they stand. Four queries.

    Raises:
        SupporterNotFoundError: when there is none.
    """
    supporter, vault = get_supporter(session, supporter_id), runtime.vault
    sealed, name = supporter.email_encrypted, supporter.name_encrypted
    pledges = session.scalars(
        select(Pledge).where(Pledge.supporter_id == supporter_id).order_by(Pledge.id.desc())
    )
    warned = _warnings(session, supporter_id)
    return PersonSeen(
        id=supporter.id,
        address=None if sealed is None else vault.decrypt(sealed),
        name=None if name is None else vault.decrypt(name),
        digest=supporter.email_digest,
        language=supporter.language,
        since=supporter.created_at,
        erased_at=supporter.erased_at,
        pledges=[_card_of(pledge, warned.get(pledge.id, [])) for pledge in pledges],
        given=_given(session, supporter_id),
    )


def _card_of(pledge: Pledge, warnings: list[int]) -> PledgeCard:
    brand = (pledge.card_brand or "card").replace("_", " ")
    digits = f" ···· {pledge.card_last4}" if pledge.card_last4 else ""
    return PledgeCard(
        id=pledge.id,
        status=pledge.status,
        amount=Money(pledge.amount_minor, pledge.currency),
        cadence=pledge.cadence,
        since=pledge.anchor_at,
        next_charge_at=pledge.next_charge_at,
        paused_until=pledge.paused_until,
        ended_at=pledge.cancelled_at,
        end_reason=pledge.end_reason,
        past_due_since=pledge.past_due_since,
        past_due_reason=pledge.past_due_reason,
        held_since=pledge.held_since,
        warnings=warnings,
        card=f"{brand}{digits}" if pledge.stripe_payment_method_id else "",
        stripe_customer_id=pledge.stripe_customer_id,
    )


def _warnings(session: Session, supporter_id: int) -> dict[int, list[int]]:
    """The fraud warnings that wait for a decision, by pledge."""
    query = (
        select(Charge.pledge_id, FraudWarning.id)
        .join(FraudWarning, FraudWarning.charge_id == Charge.id)
        .where(
            Charge.supporter_id == supporter_id,
            FraudWarning.decision.is_(None),
        )
        .order_by(FraudWarning.id)
    )
    found: dict[int, list[int]] = {}
    for pledge_id, warning_id in session.execute(query):
        if pledge_id is not None:
            found.setdefault(pledge_id, []).append(warning_id)
    return found


def _given(session: Session, supporter_id: int) -> list[Given]:
    query = (
        select(
            Charge.currency,
            func.sum(Charge.amount_minor - Charge.refunded_minor),
            func.count(),
        )
        .where(Charge.supporter_id == supporter_id, Charge.status == ChargeStatus.SUCCEEDED)
        .group_by(Charge.currency)
        .order_by(Charge.currency)
    )
    return [
        Given(total=Money(int(minor), currency), payments=count)
        for currency, minor, count in session.execute(query)
    ]
