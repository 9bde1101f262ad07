"""Several months of a monthly pledge paid at once, on Stripe's page, with the payer there.

Step by step, with what happens if the process dies there:

1. `start_prepaying`: the checkout's row with its key and frozen parameters, the pledge locked.
   Dies: nobody was sent anywhere, and the row runs out.
2. Stripe's page is opened with that key. Dies: the next click asks with the same key.
3. The payer pays; webhook, return and sweep come to `fulfil`, and that to `take_prepaid`: which
   periods are paid for is decided only now, under the pledge's lock, in the transaction that
   records the payment. Dies: undone whole, and told again.

While the page is open, monthly charging goes on: a month that falls due meanwhile is charged, and
the months paid ahead begin after it, so no month is ever paid twice. When the pledge is changed
meanwhile, or ends, the page is closed (`closing.py`); what was paid before counts. Only cards are
taken: a bank debit could come back weeks later, when the months it paid for are gone
(docs/adr/0044).
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing.charges.changing import find_open, forget_retries
from billing.charges.domain import ChargeStatus
from billing.charges.errors import PaymentUnderWayError
from billing.charges.letters import MANAGE_LINK, pledge_url
from billing.charges.tables import Charge
from billing.checkout.cards import customer_of
from billing.checkout.domain import OFFERS, CheckoutStatus, fee_cover_for, fee_on
from billing.checkout.start import REUSE_UNTIL, can_be_opened, open_at_stripe, session_params
from billing.checkout.tables import Checkout
from billing.money import Money
from billing.pledges.changes import compare_turn, prepay
from billing.pledges.domain import Cadence, PledgeStatus
from billing.pledges.errors import ChangedMeanwhileError, NotPossibleError
from billing.pledges.service import get_pledge, mark_paid
from billing.pledges.tables import Pledge
from billing.runtime import Runtime

MONTHS = (3, 6, 12)
"""How many months can be paid ahead at once."""

OPEN_FOR = timedelta(hours=1)
"""How long such a page may be paid."""


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """What it costs to pay some months ahead."""

    months: int
    total: Money
    """What is taken now, the covered fee included."""
    fee_cover: Money
    saved: Money
    """What Stripe's fees would take more of the same months one by one."""
    next_charge_at: datetime
    """When monthly payments go on."""


def ways_ahead(runtime: Runtime, pledge: Pledge, now: datetime) -> list[Ahead]:
    """What a pledge may be paid ahead; nothing for one not monthly and active, or that is held."""
    offer = OFFERS.get(pledge.currency)
    if offer is None or pledge.cadence is not Cadence.MONTHLY:
        return []
    if pledge.status is not PledgeStatus.ACTIVE or pledge.held_since is not None:
        return []
    zone = runtime.settings.newsroom.timezone
    calendar, turn = pledge.calendar(zone), pledge.turn(zone, now)
    monthly = Money(pledge.amount_minor, pledge.currency)
    ways = []
    for months in MONTHS:
        given = Money(months * (pledge.amount_minor - pledge.fee_cover_minor), pledge.currency)
        cover = fee_cover_for(given, offer) if pledge.fee_cover_minor else given - given
        total = given + cover
        ways.append(
            Ahead(
                months=months,
                total=total,
                fee_cover=cover,
                saved=Money(
                    months * fee_on(monthly, offer).minor - fee_on(total, offer).minor,
                    pledge.currency,
                ),
                next_charge_at=calendar.due_at(turn + months),
            )
        )
    return [way for way in ways if way.total.minor <= offer.maximum]


def start_prepaying(
    runtime: Runtime, pledge_id: int, *, months: int, seen: int, turn: int, title: str
) -> str:
    """Open a Checkout page for `months`, or hand out the one that is open.

    `title` is what Stripe's page calls it; `seen` the version of the pledge that was shown, and
    `turn` the first of the months.

    Returns:
        The address of the page.

    Raises:
        PledgeNotFoundError: when there is no such pledge.
        NotPossibleError: when it cannot be paid ahead, or not for so many months.
        ChangedMeanwhileError: when the pledge is not any more what was shown.
        PaymentUnderWayError: when a payment of it is due or under way.
        CheckoutUnavailableError: when Stripe cannot be reached.
    """
    with runtime.database.transaction() as session:
        pledge = get_pledge(session, pledge_id, lock=True)
        now = runtime.clock.now()
        if pledge.version != seen:
            raise ChangedMeanwhileError
        way = next((way for way in ways_ahead(runtime, pledge, now) if way.months == months), None)
        if way is None:
            raise NotPossibleError
        compare_turn(pledge, turn, runtime.settings.newsroom.timezone, now)
        if find_open(session, pledge_id) is not None:
            raise PaymentUnderWayError
        checkout = _open_page(session, pledge, way, now)
        if checkout is None:
            checkout = _record(session, runtime, pledge, way, title, now)
    return checkout.stripe_url or open_at_stripe(runtime, checkout)


def take_prepaid(session: Session, runtime: Runtime, checkout: Checkout, charge: Charge) -> None:
    """The months of a checkout were paid: `charge` is theirs, and nothing is charged in them.

    What was declined before is let go: its payer has paid since, and more than that.

    Raises:
        ValueError: when the checkout prepays nothing.
    """
    if checkout.prepays_pledge_id is None:
        raise ValueError("nothing is paid ahead by this checkout")
    zone = runtime.settings.newsroom.timezone
    pledge = get_pledge(session, checkout.prepays_pledge_id, lock=True)
    now = runtime.clock.now()
    mark_paid(session, pledge, period=None, zone=zone, now=now)
    charge.due_at = pledge.calendar(zone).due_at(pledge.turn(zone, now))
    charge.period = prepay(session, pledge, months=checkout.months, zone=zone, now=now)
    charge.pledge_id = pledge.id
    charge.months = checkout.months
    session.execute(
        update(Charge)
        .where(Charge.pledge_id == pledge.id, Charge.status == ChargeStatus.DECLINED)
        .values(status=ChargeStatus.CANCELLED, next_attempt_at=None)
    )
    forget_retries(session, pledge.id)
    session.flush()


def _open_page(session: Session, pledge: Pledge, way: Ahead, now: datetime) -> Checkout | None:
    """The page that this payer opened a while ago, if it still says the same and can be paid."""
    query = select(Checkout).where(
        Checkout.prepays_pledge_id == pledge.id,
        Checkout.prepays_version == pledge.version,
        Checkout.status == CheckoutStatus.OPEN,
        Checkout.months == way.months,
        Checkout.amount_minor == way.total.minor,
        Checkout.expires_at >= now + REUSE_UNTIL,
        can_be_opened(now),
    )
    return session.scalars(query.order_by(Checkout.id.desc()).limit(1)).one_or_none()


def _record(
    session: Session, runtime: Runtime, pledge: Pledge, way: Ahead, title: str, now: datetime
) -> Checkout:
    """The checkout, in the transaction of the look at the pledge (invariant 3)."""
    key = f"tuppence-checkout-{uuid.uuid4().hex}"
    checkout = Checkout(
        form_digest=hashlib.sha256(key.encode()).digest(),
        status=CheckoutStatus.OPEN,
        cadence=Cadence.MONTHLY,
        currency=pledge.currency,
        amount_minor=way.total.minor,
        fee_cover_minor=way.fee_cover.minor,
        language=pledge.language,
        source=pledge.source,
        idempotency_key=key,
        params={},
        prepays_pledge_id=pledge.id,
        prepays_version=pledge.version,
        months=way.months,
        created_at=now,
        expires_at=(now + OPEN_FOR).replace(microsecond=0),
    )
    session.add(checkout)
    session.flush()
    checkout.params = {
        **session_params(
            runtime,
            checkout,
            title=title,
            back=pledge_url(runtime, MANAGE_LINK, pledge.id),
            customer_id=customer_of(pledge),
            metadata={"tuppence_pledge": str(pledge.id)},
        ),
        "allowed_payment_method_types": ["card"],
    }
    session.flush()
    return checkout
