"""Outgoing mail: an outbox message made into an email and handed to the newsroom's mail server.

Nothing here says in an error or a log line who a message was for: servers quote addresses, so only
their codes are kept.
"""

from __future__ import annotations

from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime, parseaddr
from typing import Any

import structlog

from billing.emails import write_email
from billing.outbox import Taken, fail, mark_sent, postpone, take
from billing.runtime import Runtime
from billing.smtp import RefusedError, TryLaterError, ascii_address, hand_over, is_sendable

log = structlog.get_logger()


class _UnfoldedHeader(UnstructuredHeader, BaseHeader):
    """A header that is one long word: the library would cut it into encoded words."""

    def fold(self, *, policy: Policy[Any]) -> str:
        return f"{self.name}: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("list-unsubscribe", _UnfoldedHeader)

_POLICY = SMTP.clone(cte_type="7bit", header_factory=_HEADERS)
"""Line ends and folding as SMTP wants them; bodies encoded so that every server takes them."""


def deliver(runtime: Runtime, message_id: int) -> None:
    """Send one message of the outbox, if it is waiting, and record what became of it.

    Nothing is raised for a message that could not be sent: the outbox holds its next try.
    """
    with runtime.database.transaction() as session:
        taken = take(session, message_id, now=runtime.clock.now())
    if taken is None:
        return
    line = log.bind(message_id=taken.id, template=taken.template, tries=taken.tries)
    try:
        _send(runtime, taken)
    except RefusedError as error:
        with runtime.database.transaction() as session:
            fail(session, taken, code=error.code, now=runtime.clock.now())
        line.error("message refused", code=error.code)
    except Exception as error:  # noqa: BLE001 - a template or key that is missing comes back one day
        code = error.code if isinstance(error, TryLaterError) else type(error).__name__
        with runtime.database.transaction() as session:
            postpone(session, taken, code=code, now=runtime.clock.now())
        line.warning("message not sent yet", code=code)
    else:
        with runtime.database.transaction() as session:
            mark_sent(session, taken.id, now=runtime.clock.now())
        line.info("message sent")


def message_id_for(runtime: Runtime, unique_key: str) -> str:
    """The Message-ID of the message with this key: always the same, telling nothing."""
    digest = runtime.vault.digest(f"message-id:{unique_key}").hex()[:40]
    return f"<{digest}@{_sender(runtime).domain}>"


def compose(runtime: Runtime, taken: Taken, recipient: str) -> EmailMessage:
    """The email of an outbox message, with every header it needs, the same at every try.

    The date is that of the row: some servers know a mail they have by its Message-ID *and* date.
    """
    newsroom = runtime.settings.newsroom
    email = write_email(taken.template, taken.language, taken.context, newsroom)
    message = EmailMessage(policy=_POLICY)
    message["From"] = _sender(runtime)
    message["To"] = _address("", recipient)
    contact = ascii_address(newsroom.contact_email)
    if contact != _sender(runtime).addr_spec and contact.isascii():
        message["Reply-To"] = _address("", contact)
    message["Subject"] = email.subject
    message["Date"] = format_datetime(taken.created_at)
    message["Message-ID"] = message_id_for(runtime, taken.unique_key)
    message["Auto-Submitted"] = "auto-generated"
    _add_unsubscribe(message, taken.context)
    message.set_content(email.text)
    message.add_alternative(email.html, subtype="html")
    message["Content-Language"] = taken.language  # last: setting the content takes it along
    return message


def _send(runtime: Runtime, taken: Taken) -> None:
    recipient = ascii_address(runtime.vault.decrypt(taken.recipient_encrypted))
    if not is_sendable(recipient):
        raise RefusedError("bad_address")
    message = compose(runtime, taken, recipient)
    hand_over(
        runtime.settings.mail.smtp_url,
        message,
        sender=_sender(runtime).addr_spec,
        recipient=recipient,
    )


def _sender(runtime: Runtime) -> Address:
    """Who the mail is from: the newsroom's name before its address."""
    settings = runtime.settings
    address = parseaddr(settings.mail.sender)[1]
    return _address(" ".join(settings.newsroom.name.split()), ascii_address(address))


def _address(name: str, address: str) -> Address:
    local, _, domain = address.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


def _add_unsubscribe(message: EmailMessage, context: dict[str, Any]) -> None:
    """One-click unsubscribing, for the emails that have it. Source: RFC 8058 §3.1."""
    url = context.get("unsubscribe_url")
    if url:
        message["List-Unsubscribe"] = f"<{url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
