"""From an outbox row to a mail server: real SMTP, and everything that may go wrong on the way."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from billing.mail import deliver
from billing.outbox import SENDING_FOR, OutboxMessage, OutboxStatus, claim, put
from billing.runtime import Runtime
from tests.support.mailbox import Mailbox, mailbox, sending_to

REMINDER = {
    "asked_at": "2026-10-23T10:00:00+00:00",
    "support_url": "http://localhost/support?lang=en",
    "unsubscribe_url": f"http://localhost/remind/unsubscribe/{'x' * 90}?lang=en",
}
CANCELLED = {
    "amount_minor": 500,
    "currency": "usd",
    "cadence": "monthly",
    "cancelled_at": "2026-11-23T10:00:00+00:00",
}
WORKER = """
import os, sys
from billing.mail import deliver
from billing.runtime import build_runtime
from billing.settings import read_settings
deliver(build_runtime(read_settings(os.environ)), int(sys.argv[1]))
"""
Written = Callable[..., int]


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox(enable_SMTPUTF8=True) as running:
        yield running


@pytest.fixture
def parts(runtime: Runtime, box: Mailbox) -> Runtime:
    return sending_to(runtime, box.url)


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """A certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = x509.CertificateBuilder(
        name, name, key.public_key(), 1, start, datetime(2090, 1, 1, tzinfo=UTC)
    ).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "pem").write_bytes(certificate.public_bytes(pem) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    return context


@pytest.fixture
def written(runtime: Runtime, now: datetime) -> Written:
    """Puts an email into the outbox; returns its id."""

    def write(
        address: str = "reader@example.org",
        template: str = "cancelled",
        language: str = "en",
        context: dict[str, Any] | None = None,
    ) -> int:
        key = f"{template}:{address}"
        with runtime.database.transaction() as session:
            put(
                session,
                unique_key=key,
                template=template,
                language=language,
                recipient_encrypted=runtime.vault.encrypt(address),
                recipient_digest=None,
                context=CANCELLED if context is None else context,
                now=now,
            )
            query = select(OutboxMessage.id).where(OutboxMessage.unique_key == key)
            return session.scalars(query).one()

    return write


def row(runtime: Runtime, message_id: int) -> OutboxMessage:
    with runtime.database.transaction() as session:
        return session.get_one(OutboxMessage, message_id)


def test_an_email_is_sent_once_and_says_all_a_mail_program_needs(
    parts: Runtime, box: Mailbox, written: Written, now: datetime
) -> None:
    message_id = written()
    deliver(parts, message_id)
    deliver(parts, message_id)
    (mail,) = box.messages
    assert row(parts, message_id).status is OutboxStatus.SENT
    assert box.recipients == ["reader@example.org"]
    assert mail["From"] == "The Northern Courier <support@northern-courier.example>"
    assert mail["To"] == "reader@example.org"
    assert mail["Subject"] == "Cancelled: nothing more will be taken"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == "en"
    assert abs(parsedate_to_datetime(str(mail["Date"])) - now) < timedelta(minutes=1)
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert box.raw[0].isascii()
    assert max(map(len, box.raw[0].splitlines())) < 998


def test_only_reminders_can_be_unsubscribed_from(
    parts: Runtime, box: Mailbox, written: Written
) -> None:
    deliver(parts, written())
    deliver(parts, written(template="reminder", context=REMINDER))
    cancelled, reminder = box.messages
    assert "List-Unsubscribe" not in cancelled
    assert "List-Unsubscribe-Post" not in cancelled
    assert reminder["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    line = f"List-Unsubscribe: <{REMINDER['unsubscribe_url']}>\r\n".encode()
    assert line in box.raw[1], "on one line: no mail program puts a cut address together again"


def test_a_crash_between_the_servers_yes_and_our_note_repeats_the_message_id(
    parts: Runtime,
    box: Mailbox,
    written: Written,
    advance: Callable[[timedelta], datetime],
) -> None:
    message_id = written()
    box.hang_up = True
    deliver(parts, message_id)
    assert row(parts, message_id).status is OutboxStatus.WAITING
    box.hang_up = False
    now = advance(SENDING_FOR)
    with parts.database.transaction() as session:
        assert claim(session, now=now, limit=9) == [message_id]
    deliver(parts, message_id)
    first, second = box.messages
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]
    assert "reader" not in str(first["Message-ID"])
    assert row(parts, message_id).status is OutboxStatus.SENT


def test_a_worker_killed_while_the_server_takes_the_mail_loses_nothing(
    parts: Runtime,
    box: Mailbox,
    written: Written,
    environment: dict[str, str],
    advance: Callable[[timedelta], datetime],
) -> None:
    message_id = written()
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(message_id)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **environment, "SMTP_URL": box.url},
    )
    box.on_kept = worker.kill
    assert worker.wait(30) == -signal.SIGKILL
    assert row(parts, message_id).status is OutboxStatus.SENDING
    box.on_kept = None
    now = advance(SENDING_FOR)
    with parts.database.transaction() as session:
        assert claim(session, now=now, limit=9) == [message_id]
    deliver(parts, message_id)
    first, second = box.messages
    assert first["Message-ID"] == second["Message-ID"]
    assert row(parts, message_id).status is OutboxStatus.SENT


def test_every_message_has_an_id_of_its_own(parts: Runtime, box: Mailbox, written: Written) -> None:
    deliver(parts, written("a@example.org"))
    deliver(parts, written("b@example.org"))
    assert len({str(mail["Message-ID"]) for mail in box.messages}) == 2


@pytest.mark.parametrize(
    ("stage", "answer", "status", "code"),
    [
        ("on_recipient", "450 reader@example.org is busy", "waiting", "smtp_450"),
        ("on_recipient", "550 no reader@example.org here", "failed", "smtp_550"),
        ("on_message", "451 later", "waiting", "smtp_451"),
        ("on_message", "554 reader@example.org wants none", "failed", "smtp_554"),
        ("greet", "553 not from you", "waiting", "smtp_553"),
        ("greet", "421 closing", "waiting", "smtp_421"),
    ],
)
def test_what_the_server_says_decides_and_its_words_are_not_kept(
    parts: Runtime,
    box: Mailbox,
    written: Written,
    capfd: pytest.CaptureFixture[str],
    stage: str,
    answer: str,
    status: str,
    code: str,
) -> None:
    setattr(box, stage, answer)
    message_id = written()
    deliver(parts, message_id)
    found = row(parts, message_id)
    assert (found.status.value, found.last_error) == (status, code)
    assert box.raw == []
    assert "reader@" not in "".join(capfd.readouterr())


def test_a_server_that_is_away_is_tried_again(runtime: Runtime, written: Written) -> None:
    message_id = written()
    deliver(sending_to(runtime, "smtp://127.0.0.1:9"), message_id)
    found = row(runtime, message_id)
    assert (found.status, found.last_error) == (OutboxStatus.WAITING, "ConnectionRefusedError")


def test_a_broken_template_is_tried_again_once_it_is_mended(
    parts: Runtime, box: Mailbox, written: Written
) -> None:
    message_id = written(context={})
    deliver(parts, message_id)
    found = row(parts, message_id)
    assert (found.status, found.last_error) == (OutboxStatus.WAITING, "UndefinedError")
    assert box.raw == []


@pytest.mark.parametrize(
    ("address", "to"),
    [
        ("reader@bücher.example", "reader@xn--bcher-kva.example"),
        ("reader@faß.example", "reader@xn--fa-hia.example"),
        ("иван@пример.рф", "иван@xn--e1afmkfd.xn--p1ai"),
    ],
)
def test_addresses_in_every_script_are_written_to(
    parts: Runtime, box: Mailbox, written: Written, address: str, to: str
) -> None:
    message_id = written(address, language="ru")
    deliver(parts, message_id)
    assert row(parts, message_id).status is OutboxStatus.SENT
    assert box.recipients == [to]
    assert box.messages[0]["To"] == to


def test_a_server_without_smtputf8_takes_what_it_can(runtime: Runtime, written: Written) -> None:
    with mailbox(enable_SMTPUTF8=False) as old:
        parts = sending_to(runtime, old.url)
        domain_only, both = written("reader@bücher.example"), written("иван@пример.рф")
        deliver(parts, domain_only)
        deliver(parts, both)
        assert old.recipients == ["reader@xn--bcher-kva.example"]
    assert row(runtime, both).last_error == "smtputf8_not_offered"
    assert row(runtime, both).status is OutboxStatus.FAILED


@pytest.mark.parametrize(
    "address",
    [
        "reader@example.org\r\nBcc: spy@example.net",
        "a@b.example, c@d.example",
        "nobody",
        "@",
        "a b@c",
    ],
)
def test_an_address_cannot_become_a_header(
    parts: Runtime, box: Mailbox, written: Written, address: str
) -> None:
    message_id = written(address)
    deliver(parts, message_id)
    assert box.raw == []
    assert row(parts, message_id).last_error == "bad_address"
    assert row(parts, message_id).status is OutboxStatus.FAILED


def test_a_newsrooms_name_cannot_become_a_header(
    parts: Runtime, box: Mailbox, written: Written
) -> None:
    newsroom = parts.settings.newsroom
    object.__setattr__(newsroom, "name", 'The "Courier", <x@y>\r\nBcc: spy@example.net')
    deliver(parts, written())
    (mail,) = box.messages
    assert mail["Bcc"] is None
    assert mail["From"].addresses[0].addr_spec == "support@northern-courier.example"
    assert box.recipients == ["reader@example.org"]


def test_a_password_is_never_sent_in_the_clear_to_another_machine(
    runtime: Runtime, written: Written
) -> None:
    with mailbox("127.0.0.2", auth_require_tls=False) as box:
        message_id = written()
        deliver(sending_to(runtime, box.url.replace("//", "//user:right@")), message_id)
        assert box.logins == []
    assert row(runtime, message_id).last_error == "password_needs_tls"


def test_it_signs_in_where_a_password_is_given(runtime: Runtime, written: Written) -> None:
    with mailbox(auth_require_tls=False) as box:
        deliver(sending_to(runtime, box.url.replace("//", "//us%40er:right@")), written())
        assert box.logins == ["us@er"]
        assert len(box.raw) == 1


def test_a_server_whose_certificate_is_not_trusted_gets_nothing(
    runtime: Runtime, written: Written, tls: ssl.SSLContext
) -> None:
    with mailbox(tls_context=tls) as box:
        message_id = written()
        deliver(sending_to(runtime, box.url), message_id)
        assert box.raw == []
    found = row(runtime, message_id)
    assert (found.status, found.last_error) == (OutboxStatus.WAITING, "SSLCertVerificationError")
