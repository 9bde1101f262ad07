"""The SMTP side of the mailbox: takes whatever it is given and keeps it."""

from __future__ import annotations

from aiosmtpd.smtp import SMTP, Envelope, Session

from billing.clock import Clock
from billing.local.mail.store import MailStore

_LARGEST = 10 * 1024 * 1024
"""Bytes a mail may have."""


class _Handler:
    """What aiosmtpd calls for every mail."""

    def __init__(self, store: MailStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd looks for
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.original_content or b""
        number = self._store.add(
            received_at=self._clock.now(), recipients=envelope.rcpt_tos, raw=content
        )
        print(f"mail {number} kept", flush=True)
        return "250 OK"


def smtp_protocol(store: MailStore, clock: Clock) -> SMTP:
    """The protocol for one connection."""
    return SMTP(
        _Handler(store, clock),
        hostname="localhost",
        ident="Tuppence mailbox",
        data_size_limit=_LARGEST,
        enable_SMTPUTF8=True,
    )
