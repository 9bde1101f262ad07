"""Reading both sides' books when all has come to rest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from email import message_from_bytes
from email.message import Message as ParsedMail
from typing import Any

from billing.local.mail.store import MailStore
from billing.mail import message_id_for
from billing.runtime import Runtime
from tests.chaos import dues
from tests.chaos.compare import Agreed, Facts, Mail, Message, Recorded, Taken
from tests.chaos.plan import ZONE, Plan
from tests.chaos.services import Services

_RECEIPT_NUMBER = re.compile(r"^Receipt number: (\d+)\s*$", re.MULTILINE)

_CHARGES = """
SELECT c.id, c.pledge_id, c.period, c.status = 'succeeded',
       c.status = 'declined' OR count(a.id) FILTER (WHERE a.status IN ('declined', 'refused')) > 0,
       count(a.id) FILTER (WHERE a.status IN ('in_flight', 'unknown', 'processing'))
FROM charges c LEFT JOIN attempts a ON a.charge_id = c.id
WHERE c.period > 0 GROUP BY c.id
"""

_LEDGER = """
SELECT t.stripe_balance_transaction_id,
       coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'stripe'), 0)::bigint,
       coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'fees'), 0)::bigint
FROM ledger_transactions t LEFT JOIN ledger_entries e ON e.transaction_id = t.id GROUP BY t.id
"""

_OUTBOX = "SELECT unique_key, status FROM outbox WHERE id > %s"


def read(
    services: Services, runtime: Runtime, plan: Plan, ids: Mapping[int, int], *, outbox_from: int
) -> Facts:
    """Everything that is compared; messages up to `outbox_from` belong to the time before."""
    with services.database() as database:
        charges = {
            row[0]: Recorded(
                pledge=row[1], period=row[2], paid=row[3], declined=row[4], open=row[5]
            )
            for row in database.execute(_CHARGES)
        }
        ledger = {row[0]: (row[1], row[2]) for row in database.execute(_LEDGER)}
        outbox = [
            Message(
                message_id=message_id_for(runtime, key),
                sent=status == "sent",
                wanted=status != "dropped",
            )
            for key, status in database.execute(_OUTBOX, [outbox_from])
        ]
    return Facts(
        agreed=_agreed(plan, ids),
        charges=charges,
        taken=list(_taken(services)),
        stripe=dict(_movements(services)),
        ledger=ledger,
        outbox=outbox,
        mails=list(_mails(services)),
    )


def _agreed(plan: Plan, ids: Mapping[int, int]) -> dict[int, Agreed]:
    return {
        ids[promise.number]: Agreed(
            amount=promise.amount,
            dues=dues.until(promise.anchor, promise.cadence, ZONE, plan.end),
            email=promise.email,
        )
        for promise in plan.promises
    }


def _taken(services: Services) -> Iterator[Taken]:
    """Each payment that succeeded, by the stand-in's own books."""
    books = services.ask("GET", "/_standin/books?metadata_key=tuppence_charge")
    for charge, paid in books["payments"].items():
        for _ in range(paid["count"]):
            yield Taken(charge=int(charge), amount=paid["amount_received"] // paid["count"])


def _movements(services: Services) -> Iterator[tuple[str, tuple[int, int]]]:
    """Net and fee of every balance transaction, by Stripe's list."""
    path = "/v1/balance_transactions?limit=100"
    page: dict[str, Any] = services.ask("GET", path)
    while page["data"]:
        for row in page["data"]:
            yield row["id"], (row["net"], row["fee"])
        page = services.ask("GET", f"{path}&starting_after={page['data'][-1]['id']}")


def _mails(services: Services) -> Iterator[Mail]:
    """What the mailbox has, read as plainly as can be: there may be tens of thousands."""
    store = MailStore(services.mails)
    try:
        for mail in store.newest_first():
            parsed = message_from_bytes(mail.raw)
            text = _text(parsed)
            receipt = _RECEIPT_NUMBER.search(text)
            yield Mail(
                message_id=str(parsed["Message-ID"]).strip(),
                recipient=mail.recipients[0],
                subject=str(parsed["Subject"]),
                about=receipt[1] if receipt else text,
                charge=int(receipt[1]) if receipt else None,
            )
    finally:
        store.close()


def _text(parsed: ParsedMail) -> str:
    for part in parsed.walk():
        if part.get_content_type() == "text/plain":
            content = part.get_payload(decode=True)
            return content.decode() if isinstance(content, bytes) else ""
    return ""
