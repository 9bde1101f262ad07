"""Reading both sides' books when all has come to rest."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message as ParsedMail
from typing import Any

import psycopg

from billing.local.mail.store import MailStore
from billing.mail import message_id_for
from billing.runtime import Runtime
from tests.chaos.agreements import Account, agreed, with_chances
from tests.chaos.compare_mails import CANCELLED, FAILED, NOTICE, REMINDER
from tests.chaos.facts import (
    Agreed,
    Cancelled,
    Changed,
    Facts,
    Look,
    Mail,
    Message,
    Owed,
    Paid,
    Prepaid,
    Recorded,
    Taken,
    Visit,
)
from tests.chaos.people import remind_at
from tests.chaos.plan import Plan
from tests.chaos.services import Services

_RECEIPT_NUMBER = re.compile(r"^Receipt number: (\d+)\s*$", re.MULTILINE)
_KINDS = (
    (NOTICE, re.compile(r"^On .*: your yearly payment of ")),
    (REMINDER, re.compile(r"^You asked us to remind you$")),
    (CANCELLED, re.compile(r"^Cancelled: nothing more will be taken$")),
    (
        FAILED,
        re.compile(r"^(Your|Please confirm your) payment of .*[0-9.]+( did not go through)?$"),
    ),
)
"""Mails that are known by their subjects."""

_CHARGES = """
SELECT c.id, c.pledge_id, c.period, c.status = 'succeeded',
       c.status = 'declined' OR count(a.id) FILTER (WHERE a.status IN ('declined', 'refused')) > 0,
       count(a.id) FILTER (WHERE a.status IN ('in_flight', 'unknown', 'processing')),
       max(a.started_at),
       min(a.finished_at) FILTER (WHERE a.status IN ('declined', 'refused'))
FROM charges c LEFT JOIN attempts a ON a.charge_id = c.id
WHERE c.period > 0 GROUP BY c.id
"""

_FIRST = """
SELECT c.stripe_payment_intent_id, c.id, c.status = 'succeeded', c.pledge_id
FROM charges c WHERE c.stripe_payment_intent_id = ANY(%s)
"""

_LEDGER = """
SELECT t.stripe_balance_transaction_id,
       coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'stripe'), 0)::bigint,
       coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'fees'), 0)::bigint
FROM ledger_transactions t LEFT JOIN ledger_entries e ON e.transaction_id = t.id GROUP BY t.id
"""

_OUTBOX = "SELECT unique_key, status FROM outbox WHERE id > %s"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the harness knows of a run besides its plan."""

    ids: Mapping[int, int]
    """The pledge of each promise, by the promise's number."""
    outbox_from: int
    """Messages up to this one belong to the time before."""
    paid: Sequence[Paid]
    cancelled: Sequence[Cancelled]
    changed: Sequence[Changed]
    looks: Sequence[Look]
    settled_at: datetime
    """By this moment of the clock everything due had been done."""


@dataclass(frozen=True, kw_only=True)
class _First:
    """A first payment through Stripe's page, with our charge and pledge for it."""

    email: str
    amount: int
    at: datetime
    charge: int | None
    settled: bool
    pledge: int | None


def read(services: Services, runtime: Runtime, plan: Plan, seen: Seen) -> Facts:
    """Everything that is compared."""
    pages = list(_paid_pages(services))
    first = _first_payments(services, [page for page in pages if not _pledge_of(page)])
    mails = list(_mails(services))
    with services.database() as database:
        charges = {
            row[0]: Recorded(
                pledge=row[1],
                period=row[2],
                paid=row[3],
                declined=row[4],
                open=row[5],
                asked_at=row[6],
                refused_at=row[7],
            )
            for row in database.execute(_CHARGES)
        }
        ledger = {row[0]: (row[1], row[2]) for row in database.execute(_LEDGER)}
        prepaid = list(_prepaid(pages, charges, database))
        outbox = [
            Message(
                message_id=message_id_for(runtime, key),
                sent=status == "sent",
                wanted=status != "dropped",
            )
            for key, status in database.execute(_OUTBOX, [seen.outbox_from])
        ]
    return Facts(
        agreed=_agreed(plan, seen, first, mails, prepaid),
        charges=charges,
        taken=[*_taken(services), *_taken_ahead(prepaid)],
        prepaid=prepaid,
        stripe=dict(_movements(services)),
        ledger=ledger,
        outbox=outbox,
        mails=mails,
        visits=[_visit(each, first) for each in seen.paid],
        reminders=[
            Owed(email=one.email, at=remind_at(one.asked_at), wanted=not one.gives)
            for one in plan.reminders
        ],
    )


def _agreed(
    plan: Plan,
    seen: Seen,
    first: Sequence[_First],
    mails: Sequence[Mail],
    prepaid: Sequence[Prepaid],
) -> dict[int, Agreed]:
    told: dict[str, list[datetime]] = defaultdict(list)
    for mail in mails:
        if mail.kind == NOTICE and mail.at is not None:
            told[mail.recipient].append(mail.at)
    changes: dict[int, list[Changed]] = defaultdict(list)
    for change in seen.changed:
        changes[change.pledge].append(change)
    ahead = {each.pledge: each for each in prepaid}
    accounts = {
        (pledge := seen.ids[promise.number]): Account(
            amount=promise.amount,
            anchor=promise.anchor,
            cadence=promise.cadence,
            email=promise.email,
            changes=changes[pledge],
            prepaid=ahead.get(pledge),
        )
        for promise in plan.promises
    } | {
        each.pledge: Account(
            amount=each.amount, anchor=each.at, cadence="monthly", email=each.email
        )
        for each in first
        if each.pledge is not None
    }
    ends = {each.pledge: each for each in seen.cancelled}
    return {
        pledge: with_chances(
            agreed(account, ends.get(pledge), told[account.email], seen.settled_at),
            [look.at for look in seen.looks if pledge not in look.busy],
        )
        for pledge, account in accounts.items()
    }


def _visit(seen: Paid, first: Sequence[_First]) -> Visit:
    theirs = [each for each in first if each.email == seen.visitor.email]
    return Visit(
        email=seen.visitor.email,
        amount=seen.visitor.amount * 100,
        monthly=seen.visitor.cadence == "monthly",
        paid=seen.paid,
        payments=[each.amount for each in theirs],
        charges=[each.charge for each in theirs if each.charge is not None],
        settled=sum(each.settled for each in theirs),
        pledges=sum(each.pledge is not None for each in theirs),
    )


def _paid_pages(services: Services) -> Iterator[Any]:
    """Every Checkout page at Stripe that was paid."""
    for page in _listed(services, "/v1/checkout/sessions?expand[]=data.payment_intent"):
        if page["payment_status"] == "paid":
            yield page


def _pledge_of(page: Any) -> int | None:
    """The pledge for which a page takes months ahead."""
    number = page["metadata"].get("tuppence_pledge")
    return None if number is None else int(number)


def _prepaid(
    pages: Sequence[Any], charges: Mapping[int, Recorded], database: psycopg.Connection[Any]
) -> Iterator[Prepaid]:
    """Months paid ahead on Stripe's pages, with what we have for each payment."""
    for page in pages:
        pledge, intent = _pledge_of(page), page["payment_intent"]
        if pledge is None:
            continue
        row = database.execute(_FIRST, [[intent["id"]]]).fetchone()
        charge = row[1] if row else None
        yield Prepaid(
            pledge=pledge,
            amount=intent["amount_received"],
            at=datetime.fromtimestamp(intent["created"], UTC),
            charge=charge,
            period=charges[charge].period if charge in charges else None,
        )


def _taken_ahead(prepaid: Sequence[Prepaid]) -> Iterator[Taken]:
    for each in prepaid:
        if each.charge is not None:
            yield Taken(charge=each.charge, amount=each.amount, at=each.at)


def _first_payments(services: Services, pages: Sequence[Any]) -> list[_First]:
    """First payments on Stripe's pages, with what we have for each."""
    intents = [page["payment_intent"]["id"] for page in pages]
    with services.database() as database:
        ours = {row[0]: row[1:] for row in database.execute(_FIRST, [intents])}
    return [_first(page, ours.get(page["payment_intent"]["id"])) for page in pages]


def _first(page: Any, ours: tuple[int, bool, int | None] | None) -> _First:
    charge, settled, pledge = ours or (None, False, None)
    return _First(
        email=page["customer_details"]["email"],
        amount=page["payment_intent"]["amount_received"],
        at=datetime.fromtimestamp(page["payment_intent"]["created"], UTC),
        charge=charge,
        settled=settled,
        pledge=pledge,
    )


def _taken(services: Services) -> Iterator[Taken]:
    """Each payment that succeeded, by the stand-in's own books."""
    books = services.ask("GET", "/_standin/books?metadata_key=tuppence_charge")
    for charge, paid in books["payments"].items():
        at = datetime.fromtimestamp(paid["first_at"], UTC)
        for _ in range(paid["count"]):
            amount = paid["amount_received"] // paid["count"]
            yield Taken(charge=int(charge), amount=amount, at=at)


def _movements(services: Services) -> Iterator[tuple[str, tuple[int, int]]]:
    """Net and fee of every balance transaction, by Stripe's list."""
    for row in _listed(services, "/v1/balance_transactions?"):
        yield row["id"], (row["net"], row["fee"])


def _listed(services: Services, path: str) -> Iterator[Any]:
    """All of one of Stripe's lists, page by page."""
    path += "&limit=100"
    page: dict[str, Any] = services.ask("GET", path)
    while page["data"]:
        yield from page["data"]
        page = services.ask("GET", f"{path}&starting_after={page['data'][-1]['id']}")


def _mails(services: Services) -> Iterator[Mail]:
    """What the mailbox has, read as plainly as can be: there may be tens of thousands."""
    store = MailStore(services.mails)
    try:
        for mail in store.newest_first():
            parsed = message_from_bytes(mail.raw)
            text = _text(parsed)
            receipt, subject = _RECEIPT_NUMBER.search(text), str(parsed["Subject"])
            yield Mail(
                message_id=str(parsed["Message-ID"]).strip(),
                recipient=mail.recipients[0],
                subject=subject,
                about=receipt[1] if receipt else text,
                charge=int(receipt[1]) if receipt else None,
                kind=next((kind for kind, words in _KINDS if words.search(subject)), ""),
                at=mail.received_at,
            )
    finally:
        store.close()


def _text(parsed: ParsedMail) -> str:
    for part in parsed.walk():
        if part.get_content_type() == "text/plain":
            content = part.get_payload(decode=True)
            return content.decode() if isinstance(content, bytes) else ""
    return ""
