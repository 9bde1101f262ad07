"""A real SMTP server in this process, which keeps what it is given or refuses it on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from billing.runtime import Runtime


@dataclass
class Mailbox:
    """What came in, and what the server answers."""

    host: str
    port: int = 0
    raw: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    greet: str | None = None
    """Said to MAIL FROM instead of taking it."""
    on_recipient: str | None = None
    on_message: str | None = None
    """Said after the message was read and thrown away."""
    on_kept: Callable[[], None] | None = None
    """Called when a message is kept, before the server says so."""
    hang_up: bool = False
    """Keeps the message and hangs up before saying so: what a crash between looks like."""

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    @property
    def messages(self) -> list[EmailMessage]:
        return [_parsed(raw) for raw in self.raw]

    # What aiosmtpd calls, by these very names.
    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.greet:
            return self.greet
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.on_recipient:
            return self.on_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.on_message:
            return self.on_message
        self.raw.append(envelope.original_content or b"")
        self.recipients += envelope.rcpt_tos
        if self.on_kept:
            self.on_kept()
        if self.hang_up:
            server.transport.abort()
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, how: str, data: Any) -> Any:
        self.logins.append(data.login.decode())
        return AuthResult(success=data.password == b"right")


@contextmanager
def mailbox(host: str = "127.0.0.1", **options: Any) -> Iterator[Mailbox]:
    """Run a mailbox on a free port; `options` are those of aiosmtpd's SMTP class."""
    box = Mailbox(host=host)
    controller = _Controller(box, hostname=host, port=0, authenticator=box.authenticate, **options)
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()


class _Controller(Controller):
    def _trigger_server(self) -> None:
        """Aiosmtpd connects to its own port to see it work, and has to be told which one it got."""
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def _parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def sending_to(runtime: Runtime, url: str) -> Runtime:
    """The same working parts, with another mail server."""
    mail = replace(runtime.settings.mail, smtp_url=url)
    return replace(runtime, settings=replace(runtime.settings, mail=mail))
