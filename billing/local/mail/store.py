"""Mails as they came in, kept in one SQLite file across restarts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at TEXT NOT NULL,
    recipients TEXT NOT NULL,
    raw BLOB NOT NULL
)
"""


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One mail. `recipients` is the envelope: who it was handed over for."""

    id: int
    received_at: datetime
    recipients: Sequence[str]
    raw: bytes

    @property
    def parsed(self) -> EmailMessage:
        """The message, read with the modern policy."""
        message = BytesParser(policy=policy.default).parsebytes(self.raw)
        assert isinstance(message, EmailMessage)  # noqa: S101 - what the default policy makes
        return message

    @property
    def subject(self) -> str:
        return str(self.parsed.get("Subject", ""))

    @property
    def headers(self) -> list[tuple[str, str]]:
        """All header fields, in their order and with their repetitions."""
        return [(name, str(value)) for name, value in self.parsed.items()]

    @property
    def text(self) -> str | None:
        """The plain part."""
        return self._body("plain")

    @property
    def html(self) -> str | None:
        """The HTML part."""
        return self._body("html")

    def as_json(self) -> dict[str, Any]:
        """What the API answers for this mail."""
        parsed = self.parsed
        return {
            "id": self.id,
            "received_at": self.received_at.isoformat(),
            "recipients": list(self.recipients),
            "from": str(parsed.get("From", "")),
            "to": str(parsed.get("To", "")),
            "subject": self.subject,
            "message_id": str(parsed.get("Message-ID", "")),
            "headers": self.headers,
            "text": self.text,
            "html": self.html,
        }

    def _body(self, kind: str) -> str | None:
        part = self.parsed.get_body(preferencelist=(kind,))
        if part is None:
            return None
        content: str = part.get_content()
        return content


class MailStore:
    """The mails in one file; `:memory:` keeps them only as long as the process."""

    def __init__(self, path: Path | str) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(_SCHEMA)

    def add(self, *, received_at: datetime, recipients: Sequence[str], raw: bytes) -> int:
        """Keep one mail; returns its number."""
        cursor = self._database.execute(
            "INSERT INTO message (received_at, recipients, raw) VALUES (?, ?, ?)",
            (received_at.isoformat(), json.dumps(list(recipients)), raw),
        )
        return int(cursor.lastrowid or 0)

    def newest_first(self) -> list[Mail]:
        """All mails, the one that came last in front."""
        rows = self._database.execute(
            "SELECT id, received_at, recipients, raw FROM message ORDER BY id DESC"
        )
        return [_mail(row) for row in rows]

    def find(self, number: int) -> Mail | None:
        """The mail with this number."""
        row = self._database.execute(
            "SELECT id, received_at, recipients, raw FROM message WHERE id = ?", (number,)
        ).fetchone()
        return _mail(row) if row else None

    def clear(self) -> None:
        """Forget every mail."""
        self._database.execute("DELETE FROM message")

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _mail(row: tuple[int, str, str, bytes]) -> Mail:
    number, received_at, recipients, raw = row
    return Mail(
        id=number,
        received_at=datetime.fromisoformat(received_at),
        recipients=json.loads(recipients),
        raw=raw,
    )
