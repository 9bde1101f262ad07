"""Handing one email to the mail server, over the standard library's SMTP client.

Every step has a time limit; together they stay below `billing.outbox.SENDING_FOR`.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTPUTF8
from functools import cache
from urllib.parse import unquote, urlsplit

from email_validator import EmailNotValidError, validate_email

STEP_SECONDS = 10.0
ACCEPT_SECONDS = 60.0
"""For the answer after the message itself: servers look it over before they answer."""

_OK = 250
_FORWARDED = 251


class TryLaterError(Exception):
    """The message was not taken, and may be another time. `code` tells why, without a name."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class RefusedError(Exception):
    """The message was refused for good. `code` tells why, without a name."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def ascii_address(address: str) -> str:
    """The address with an internationalised domain in the form that every server understands.

    By IDNA 2008: the standard library's codec is of 2003 and would write to fass.de for faß.de.
    """
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    with suppress(EmailNotValidError):
        read = validate_email(address, check_deliverability=False, test_environment=True)
        return f"{local}@{read.ascii_domain}"
    return address


def is_sendable(address: str) -> bool:
    """Whether an address can stand in a header at all; Stripe takes some that cannot."""
    local, _, domain = address.rpartition("@")
    try:
        return bool(local) and Address(username=local, domain=domain).addr_spec == address
    except (ValueError, HeaderParseError):
        return False


def hand_over(smtp_url: str, message: EmailMessage, *, sender: str, recipient: str) -> None:
    """Give the message to the mail server. Returns once the server has taken it.

    The recipient and the message itself may be refused for good. All else that goes wrong, a
    refused sender or password too, is the server's or the newsroom's fault and passes.

    Raises:
        RefusedError: when it will never be taken.
        TryLaterError: when it may be taken another time, or nobody knows whether it was.
    """
    try:
        with _connection(smtp_url, sender) as client:
            _transmit(client, message, sender, recipient)
    except smtplib.SMTPResponseException as error:
        raise TryLaterError(f"smtp_{error.smtp_code}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise TryLaterError(type(error).__name__) from None


@contextmanager
def _connection(smtp_url: str, sender: str) -> Iterator[smtplib.SMTP]:
    """A client that has said hello, over TLS where offered, and signed in where a user is given."""
    parts = urlsplit(smtp_url)
    host, greeting = parts.hostname or "", sender.rpartition("@")[2]
    client: smtplib.SMTP
    if parts.scheme == "smtps":
        client = smtplib.SMTP_SSL(
            host, parts.port or 465, greeting, timeout=STEP_SECONDS, context=_tls()
        )
    else:
        client = smtplib.SMTP(host, parts.port or 587, greeting, timeout=STEP_SECONDS)
    try:
        client.ehlo_or_helo_if_needed()
        if client.has_extn("starttls"):
            client.starttls(context=_tls())
            client.ehlo_or_helo_if_needed()
        if parts.username:
            _sign_in(client, host, unquote(parts.username), unquote(parts.password or ""))
        yield client
    finally:
        # All that matters has been answered by now: waiting for an answer to QUIT would only
        # lengthen the moment in which a mail is taken but not yet recorded as sent.
        with suppress(smtplib.SMTPException, OSError):
            client.putcmd("QUIT")
        client.close()


@cache
def _tls() -> ssl.SSLContext:
    """Certificates are checked: whoever stands in between must not read who gives."""
    return ssl.create_default_context()


def _sign_in(client: smtplib.SMTP, host: str, user: str, password: str) -> None:
    if not isinstance(client.sock, ssl.SSLSocket) and host not in {"localhost", "127.0.0.1", "::1"}:
        raise TryLaterError("password_needs_tls")
    client.login(user, password)


def _transmit(client: smtplib.SMTP, message: EmailMessage, sender: str, recipient: str) -> None:
    """One mail transaction.

    Raises:
        RefusedError: when the recipient or the message is refused for good.
        smtplib.SMTPException: when something else is.
    """
    options, content = _written_for(client, message, recipient)
    code, words = client.mail(sender, options)
    if code != _OK:
        raise smtplib.SMTPResponseException(code, words)
    code, words = client.rcpt(recipient)
    if code not in {_OK, _FORWARDED}:
        raise _refusal(code)
    if client.sock is not None:
        client.sock.settimeout(ACCEPT_SECONDS)
    try:
        code, words = client.data(content)
    except smtplib.SMTPDataError as error:
        code = error.smtp_code
    if code != _OK:
        raise _refusal(code)


def _written_for(
    client: smtplib.SMTP, message: EmailMessage, recipient: str
) -> tuple[list[str], bytes]:
    """The options of MAIL FROM and the bytes: UTF-8 headers only for who cannot do without."""
    if recipient.isascii():
        return [], message.as_bytes()
    if not client.has_extn("smtputf8"):
        raise RefusedError("smtputf8_not_offered")
    return ["SMTPUTF8", "BODY=8BITMIME"], message.as_bytes(policy=SMTPUTF8)


def _refusal(code: int) -> RefusedError | TryLaterError:
    permanent = 500 <= code < 600
    return RefusedError(f"smtp_{code}") if permanent else TryLaterError(f"smtp_{code}")
