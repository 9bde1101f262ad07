"""Everything the stand-in knows, in one SQLite file.

One API request is one transaction: objects read are kept in a map until `commit` writes those that
changed, together with their events, deliveries and the idempotency record. A crash therefore loses
a request whole or not at all. `links` holds what lists filter by, so that no list scans.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from billing.local.stripe.query import Filter, link_text, page_query

Obj = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    created INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_by_age ON objects (kind, created, seq);
CREATE TABLE IF NOT EXISTS links (
    name TEXT NOT NULL, value TEXT NOT NULL, created INTEGER NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (name, value, created, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS due (
    at INTEGER NOT NULL, task TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (at, task, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY, event TEXT NOT NULL, endpoint TEXT NOT NULL, url TEXT NOT NULL,
    state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL,
    next_at INTEGER NOT NULL, status INTEGER, error TEXT);
CREATE INDEX IF NOT EXISTS deliveries_by_event ON deliveries (event);
CREATE INDEX IF NOT EXISTS deliveries_waiting ON deliveries (next_at) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY, created INTEGER NOT NULL, fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL, request_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS idempotency_by_age ON idempotency (created);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

LINKS: dict[str, tuple[str, ...]] = {
    "balance_transaction": ("source", "type", "currency", "payout"),
    "charge": ("customer", "payment_intent"),
    "checkout.session": ("customer", "payment_intent", "setup_intent", "status"),
    "customer": ("email",),
    "dispute": ("charge", "payment_intent"),
    "event": ("type",),
    "payment_intent": ("customer",),
    "payment_method": ("customer", "type"),
    "payout": ("status", "destination"),
    "price": ("product", "active", "currency", "type"),
    "product": ("active",),
    "radar.early_fraud_warning": ("charge", "payment_intent"),
    "refund": ("charge", "payment_intent"),
    "setup_intent": ("customer", "payment_method"),
}


@dataclass
class _Held:
    kind: str
    obj: Obj
    seq: int | None
    created: int = 0
    links: frozenset[tuple[str, str]] = frozenset()
    dirty: bool = False


@dataclass(frozen=True)
class Receiver:
    """Where events are sent, and which."""

    id: str
    url: str
    secret: str
    events: frozenset[str]

    def wants(self, kind: str) -> bool:
        """Whether this receiver asked for events of that type."""
        return "*" in self.events or kind in self.events


class Store:
    """Objects by kind and id, with what hangs on them."""

    def __init__(self, path: Path | str) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")
        self.db.execute("PRAGMA cache_size = -65536")
        self.db.execute("PRAGMA wal_autocheckpoint = 8000")
        self.db.executescript(SCHEMA)
        self._held: dict[str, _Held] = {}
        row = self.db.execute("SELECT coalesce(max(seq), 0) FROM objects").fetchone()
        self._last_seq: int = row[0]
        self.receivers: list[Receiver] = []
        self.reload_receivers()

    def find(self, kind: str, object_id: str) -> Obj | None:
        """The object, the same one throughout a transaction; None when there is none."""
        held = self._held.get(object_id)
        if held is None:
            row = self.db.execute(
                "SELECT seq, kind, body, created FROM objects WHERE id = ?", (object_id,)
            ).fetchone()
            if row is None:
                return None
            held = self._hold(row[1], json.loads(row[2]), row[0], row[3])
        return held.obj if held.kind == kind else None

    def add(self, kind: str, obj: Obj) -> Obj:
        """Put a new object; it is written at `commit`."""
        self._held[obj["id"]] = _Held(kind, obj, None, obj.get("created", 0), dirty=True)
        return obj

    def change(self, obj: Obj) -> Obj:
        """Mark an object that this transaction has read (or made) as changed."""
        self._held[obj["id"]].dirty = True
        return obj

    def remove(self, object_id: str) -> None:
        """Forget an object and its links."""
        self.flush()
        held = self._held.pop(object_id, None)
        if held is not None and held.seq is not None:
            self._unlink(held.links, held)
            self._execute("DELETE FROM objects WHERE seq = ?", (held.seq,))

    def reload_receivers(self) -> None:
        """Read the enabled webhook endpoints again; call it when one changes."""
        self.receivers = [
            Receiver(e["id"], e["url"], e["_"]["secret"], frozenset(e["enabled_events"]))
            for e in self.each("webhook_endpoint")
            if e["status"] == "enabled"
        ]

    def put_event(self, event_id: str, kind: str, created: int, body: str) -> None:
        """Events are written as text at once: they never change."""
        seq = self._next_seq()
        self._execute(
            "INSERT INTO objects VALUES (?, ?, 'event', ?, ?)", (seq, event_id, created, body)
        )
        self._execute("INSERT INTO links VALUES ('event.type', ?, ?, ?)", (kind, created, seq))

    def select(self, kind: str, wanted: Filter) -> tuple[list[Obj], bool]:
        """A page, newest first, and whether there is more in the direction asked for."""
        self.flush()
        sql, values = page_query(kind, wanted, self._cursor)
        rows = self.db.execute(sql, values).fetchall()
        more = len(rows) > wanted.limit
        rows = rows[: wanted.limit]
        if wanted.ending_before is not None:
            rows.reverse()
        return [self._known(kind, row) for row in rows], more

    def linked(self, kind: str, name: str, value: str) -> Iterator[Obj]:
        """Every object of a kind whose field `name` has that value, oldest first."""
        self.flush()
        rows = self.db.execute(
            "SELECT o.seq, o.id, o.body, o.created FROM links l JOIN objects o ON o.seq = l.seq "
            "WHERE l.name = ? AND l.value = ? ORDER BY l.created, l.seq",
            (f"{kind}.{name}", value),
        ).fetchall()
        return iter([self._known(kind, row) for row in rows])

    def each(self, kind: str) -> Iterator[Obj]:
        """Every object of a kind, oldest first, read-only: for the books and the pages."""
        self.flush()
        rows = self.db.execute(
            "SELECT body FROM objects WHERE kind = ? ORDER BY created, seq", (kind,)
        )
        return (json.loads(row[0]) for row in rows)

    def at(self, when: int, task: str, object_id: str) -> None:
        """Ask for `task` on an object when the clock reaches `when` (Unix seconds)."""
        self._execute("INSERT OR IGNORE INTO due VALUES (?, ?, ?)", (when, task, object_id))

    def next_due(self, now: int) -> tuple[int, str, str] | None:
        """The earliest task whose time has come, taken off the list."""
        row = self.db.execute(
            "SELECT at, task, id FROM due WHERE at <= ? ORDER BY at LIMIT 1", (now,)
        ).fetchone()
        if row is None:
            return None
        self._execute("DELETE FROM due WHERE at = ? AND task = ? AND id = ?", tuple(row))
        return row[0], row[1], row[2]

    def note(self, name: str) -> str | None:
        """A small remembered value."""
        row = self.db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set_note(self, name: str, value: str) -> None:
        """Remember a small value."""
        self._execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def write(self, sql: str, values: Iterable[Any] = ()) -> None:
        """A statement of another module's own table, within the transaction."""
        self._execute(sql, tuple(values))

    def clear(self) -> None:
        """Forget everything but the webhook endpoints; `commit` makes it last."""
        self._held.clear()
        kept = "SELECT seq FROM objects WHERE kind = 'webhook_endpoint'"
        self._execute(f"DELETE FROM links WHERE seq NOT IN ({kept})", ())  # noqa: S608
        self._execute("DELETE FROM objects WHERE kind <> 'webhook_endpoint'", ())
        for table in ("due", "deliveries", "idempotency", "notes"):
            self._execute(f"DELETE FROM {table}", ())  # noqa: S608

    def commit(self) -> None:
        """Write what changed and end the transaction."""
        self.flush()
        if self.db.in_transaction:
            self.db.execute("COMMIT")
        self._held.clear()

    def rollback(self) -> None:
        """Forget everything since the last commit."""
        self._held.clear()
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def close(self) -> None:
        """Commit and close the file."""
        self.commit()
        self.db.close()

    def flush(self) -> None:
        """Write changed objects without ending the transaction, so that queries see them."""
        for held in self._held.values():
            if held.dirty:
                self._save(held)

    def _save(self, held: _Held) -> None:
        obj, created = held.obj, held.created
        body = json.dumps(obj, separators=(",", ":"))
        if held.seq is None:
            held.seq = self._next_seq()
            self._execute(
                "INSERT INTO objects VALUES (?, ?, ?, ?, ?)",
                (held.seq, obj["id"], held.kind, created, body),
            )
        else:
            self._execute("UPDATE objects SET body = ? WHERE seq = ?", (body, held.seq))
        links = _links_of(held.kind, obj)
        if links != held.links:
            self._unlink(held.links - links, held)
            for name, value in links - held.links:
                self._execute(
                    "INSERT OR IGNORE INTO links VALUES (?, ?, ?, ?)",
                    (name, value, created, held.seq),
                )
            held.links = links
        held.dirty = False

    def _unlink(self, links: Iterable[tuple[str, str]], held: _Held) -> None:
        for name, value in links:
            self._execute(
                "DELETE FROM links WHERE name = ? AND value = ? AND created = ? AND seq = ?",
                (name, value, held.created, held.seq),
            )

    def _hold(self, kind: str, obj: Obj, seq: int, created: int) -> _Held:
        held = _Held(kind, obj, seq, created, _links_of(kind, obj))
        self._held[obj["id"]] = held
        return held

    def _known(self, kind: str, row: tuple[int, str, str, int]) -> Obj:
        held = self._held.get(row[1])
        return held.obj if held else self._hold(kind, json.loads(row[2]), row[0], row[3]).obj

    def _cursor(self, object_id: str) -> tuple[int, int] | None:
        row = self.db.execute(
            "SELECT created, seq FROM objects WHERE id = ?", (object_id,)
        ).fetchone()
        return (row[0], row[1]) if row else None

    def _next_seq(self) -> int:
        self._last_seq += 1
        return self._last_seq

    def _execute(self, sql: str, values: tuple[Any, ...]) -> None:
        if not self.db.in_transaction:
            self.db.execute("BEGIN")
        self.db.execute(sql, values)


def _links_of(kind: str, obj: Obj) -> frozenset[tuple[str, str]]:
    found = []
    for name in LINKS.get(kind, ()):
        value = obj.get(name)
        if value is None:
            value = obj.get("_", {}).get(name)
        if value is not None:
            found.append((f"{kind}.{name}", link_text(value)))
    return frozenset(found)
