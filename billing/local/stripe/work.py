"""One unit of work: what a handler may read and change, and the events it causes.

The same thing serves an API request, a button on a hosted page and a task whose time has come.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from billing.local.stripe.errors import missing_resource
from billing.local.stripe.ids import new_id
from billing.local.stripe.store import Obj, Store

API_VERSION = "2026-10-28.endive"
_NOUNS = {"payment_method": "PaymentMethod", "radar.early_fraud_warning": "early fraud warning"}


@dataclass(frozen=True)
class Account:
    """The one account the stand-in plays: its currency and the name on statements."""

    currency: str = "usd"
    country: str = "US"
    name: str = "Local newsroom"
    statement_descriptor: str = "TUPPENCE"


@dataclass
class Work:
    """A transaction in progress. `now` is Unix seconds of the stand-in's clock."""

    store: Store
    now: int
    account: Account
    base_url: str
    request_id: str | None = None
    idempotency_key: str | None = None
    legacy: bool = False
    emitted: list[str] = field(default_factory=list)
    total_count: int | None = None
    """How many objects a search has found, for whoever asks to be told."""

    def get(self, kind: str, object_id: str, param: str = "id") -> Obj:
        """The object, or Stripe's `resource_missing` naming the parameter that pointed to it."""
        found = self.store.find(kind, object_id)
        if found is None:
            raise missing_resource(_NOUNS.get(kind, kind.replace(".", " ")), object_id, param)
        return found

    def find(self, kind: str, object_id: str | None) -> Obj | None:
        """The object, or None."""
        return self.store.find(kind, object_id) if object_id else None

    def add(self, kind: str, obj: Obj) -> Obj:
        """Store a new object."""
        return self.store.add(kind, obj)

    def change(self, obj: Obj, **fields: Any) -> Obj:
        """Set fields of an object and mark it as changed."""
        obj.update(fields)
        return self.store.change(obj)

    def later(self, seconds: int, task: str, object_id: str) -> None:
        """Ask for a task after that many seconds of the stand-in's clock."""
        self.store.at(self.now + seconds, task, object_id)

    def emit(self, kind: str, obj: Obj, previous: Obj | None = None) -> None:
        """Record an event with a snapshot of the object as it is now.

        `previous` holds the old values of what changed, for `*.updated` events.
        """
        event_id = new_id("evt")
        data: Obj = {"object": public(obj)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = {
            "id": event_id,
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now,
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {"id": self.request_id, "idempotency_key": self.idempotency_key},
            "type": kind,
        }
        self.store.put_event(event_id, kind, self.now, json.dumps(event, separators=(",", ":")))
        self.emitted.append(event_id)
        self._queue(event_id, kind)

    def _queue(self, event_id: str, kind: str) -> None:
        for receiver in self.store.receivers:
            if receiver.wants(kind):
                self.store.write(
                    "INSERT INTO deliveries (event, endpoint, url, state, created, next_at) "
                    "VALUES (?, ?, ?, 'waiting', ?, ?)",
                    (event_id, receiver.id, receiver.url, self.now, self.now),
                )


def public(obj: Obj) -> Obj:
    """The object without what the stand-in keeps for itself (under `_`)."""
    return {name: value for name, value in obj.items() if name != "_"}
