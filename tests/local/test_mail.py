"""The mailbox, spoken to over SMTP and HTTP as Tuppence and a browser do."""

from __future__ import annotations

import http.client
import json
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port

pytestmark = pytest.mark.alone


@dataclass(frozen=True)
class Mailbox:
    port: int
    smtp_port: int

    def deliver(self, message: EmailMessage) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port) as smtp:
            smtp.send_message(message)

    def ask(
        self, path: str, method: str = "GET", headers: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer, body

    def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.ask("/api/messages")[1])
        return found


@contextmanager
def _mailbox(directory: Path) -> Iterator[Mailbox]:
    box = Mailbox(free_port(), free_port())
    process = subprocess.Popen(
        [sys.executable, "-m", "billing.local.mail",
         f"--port={box.port}", f"--smtp-port={box.smtp_port}",
         f"--store={directory / 'mail.sqlite'}", f"--clock-file={directory / 'clock'}",
         "--timezone=Europe/Riga"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("ready")
        yield box
    finally:
        process.terminate()
        assert process.wait(10) == 0
        process.stdout.close()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mailbox")


@pytest.fixture(scope="module")
def box(directory: Path) -> Iterator[Mailbox]:
    with _mailbox(directory) as mailbox:
        yield mailbox


@pytest.fixture(autouse=True)
def _empty(box: Mailbox) -> None:
    box.ask("/api/messages", "DELETE")


def _receipt(subject: str = "Спасибо · Thank you") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "The Northern Courier <support@northern-courier.example>"
    message["To"] = "Reader <reader@example.org>"
    message["Subject"] = subject
    message["Message-ID"] = "<receipt-1@northern-courier.example>"
    message["List-Unsubscribe"] = "<http://127.0.0.1:8000/u/abc>"
    message.set_content("You gave $5.00 – спасибо. Cancel: http://127.0.0.1:8000/cancel/abc\n")
    message.add_alternative(
        "<p>You gave <b>$5.00</b></p><script>alert(1)</script><img src='http://evil.test/x.png'>",
        subtype="html",
    )
    return message


def test_an_empty_mailbox_says_so(box: Mailbox) -> None:
    answer, page = box.ask("/")
    assert answer.status == 200
    assert "No mail yet" in page
    assert box.messages() == []


def test_a_mail_is_kept_with_everything_a_test_needs(box: Mailbox) -> None:
    box.deliver(_receipt())
    [mail] = box.messages()
    assert mail["recipients"] == ["reader@example.org"]
    assert mail["to"] == "Reader <reader@example.org>"
    assert mail["subject"] == "Спасибо · Thank you"
    assert mail["message_id"] == "<receipt-1@northern-courier.example>"
    assert ["List-Unsubscribe", "<http://127.0.0.1:8000/u/abc>"] in mail["headers"]
    assert "спасибо" in mail["text"]
    assert "<b>$5.00</b>" in mail["html"]


def test_the_newest_mail_comes_first(box: Mailbox) -> None:
    for subject in ("first", "second"):
        box.deliver(_receipt(subject))
    assert [mail["subject"] for mail in box.messages()] == ["second", "first"]
    page = box.ask("/")[1]
    assert page.index("second") < page.index("first")


def test_a_mail_is_dated_by_the_clock_that_can_be_moved(box: Mailbox, directory: Path) -> None:
    (directory / "clock").write_text(str(400 * 86400), encoding="ascii")
    try:
        box.deliver(_receipt("later"))
    finally:
        (directory / "clock").unlink()
    box.deliver(_receipt("now"))
    now, later = box.messages()
    assert int(later["received_at"][:4]) > int(now["received_at"][:4])


def test_the_page_of_a_mail_makes_links_and_frames_the_html_without_scripts(box: Mailbox) -> None:
    box.deliver(_receipt())
    number = box.messages()[0]["id"]
    page = box.ask(f"/messages/{number}")[1]
    assert '<a href="http://127.0.0.1:8000/cancel/abc"' in page
    assert f'src="/messages/{number}/html"' in page
    assert "allow-scripts" not in page
    assert "alert(1)" not in page
    answer, html = box.ask(f"/messages/{number}/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "alert(1)" in html
    assert "sandbox allow-popups" in policy
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy


def test_markup_in_a_subject_is_shown_and_not_obeyed(box: Mailbox) -> None:
    box.deliver(_receipt("<b>bold</b>"))
    assert "&lt;b&gt;bold&lt;/b&gt;" in box.ask("/")[1]


def test_the_whole_mail_can_be_read_as_plain_text(box: Mailbox) -> None:
    box.deliver(_receipt())
    answer, raw = box.ask(f"/messages/{box.messages()[0]['id']}/raw")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "Message-ID: <receipt-1@northern-courier.example>" in raw


def test_a_mail_that_is_not_there_is_not_found(box: Mailbox) -> None:
    assert box.ask("/messages/999999")[0].status == 404


def test_another_site_cannot_empty_the_mailbox(box: Mailbox) -> None:
    box.deliver(_receipt())
    answer, _ = box.ask("/clear", "POST", {"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403
    assert len(box.messages()) == 1
    assert box.ask("/clear", "POST", {"Sec-Fetch-Site": "same-origin"})[0].status == 303
    assert box.messages() == []


def test_mails_survive_a_restart(tmp_path: Path) -> None:
    with _mailbox(tmp_path) as first:
        first.deliver(_receipt())
        before = first.messages()
    with _mailbox(tmp_path) as second:
        assert second.messages() == before
