"""Everything that happened with a supporter, newest first, a page at a time: one query.

Each branch of the query is a kind of event with its rank, moment, row and facts. A page begins
behind the last event of the one before (moment, rank, row), so what is added meanwhile moves
nothing. A supporter has some hundreds of events in ten years: they are sorted as they are found.

Mails are found by what their keys are about (`ix_outbox_about`); receipts, which are many, by
their whole keys. Whom staff looked at stands in the audit trail only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, LargeBinary, bindparam, text
from sqlalchemy.orm import Session

from billing.db import Json, UtcDateTime
from billing.desk.errors import DeskFormError

PAGE = 40
_BEFORE = re.compile(r"(\d{1,17})-(\d{1,3})-(\d{1,19})", re.ASCII)


class Show(StrEnum):
    """Which events are shown."""

    ALL = "all"
    PAYMENTS = "payments"
    PLEDGES = "pledges"
    MAIL = "mail"
    STAFF = "staff"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Behind which event a page begins."""

    at: datetime
    rank: int
    id: int

    def __str__(self) -> str:
        whole = int(self.at.replace(microsecond=0).timestamp())
        return f"{whole * 10**6 + self.at.microsecond}-{self.rank}-{self.id}"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened: `what` names its kind, `facts` are its row's."""

    what: str
    place: Place
    facts: Json

    @property
    def at(self) -> datetime:
        """When it happened."""
        return self.place.at


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some events, the newest first, and where older ones begin."""

    events: list[Event]
    older: Place | None


@dataclass(frozen=True)
class _Branch:
    what: str
    show: Show
    query: str
    """Its rows as `id`, `at` and `facts`, a jsonb."""


def read_place(written: str) -> Place | None:
    """Where a page begins.

    Raises:
        DeskFormError: for what was not written by `Place`.
    """
    if not written:
        return None
    found = _BEFORE.fullmatch(written)
    if found is None:
        raise DeskFormError("There is no such place in the list.")
    micros, rank, id_ = map(int, found.groups())
    try:
        at = datetime.fromtimestamp(micros // 10**6, UTC).replace(microsecond=micros % 10**6)
    except (ValueError, OverflowError) as error:
        raise DeskFormError("There is no such place in the list.") from error
    return Place(at=at, rank=rank, id=min(id_, 2**63 - 1))


def read_timeline(
    session: Session,
    supporter_id: int,
    digest: bytes | None,
    *,
    show: Show = Show.ALL,
    before: Place | None = None,
) -> Page:
    """One page of what happened; empty beyond the end. `digest` finds their reminders."""
    given: dict[str, Any] = {"supporter": supporter_id, "digest": digest, "limit": PAGE + 1}
    below = ""
    if before is not None:
        below = "WHERE (e.at, e.rank, e.id) < (:at, :rank, :id)"
        given |= {"at": before.at, "rank": before.rank, "id": before.id}
    rows = session.execute(_query(show, below, given), given).all()
    events = [
        Event(
            what=_BRANCHES[row.rank].what,
            place=Place(at=row.at, rank=row.rank, id=row.id),
            facts=row.facts,
        )
        for row in rows[:PAGE]
    ]
    return Page(events=events, older=events[-1].place if len(rows) > PAGE else None)


def _query(show: Show, below: str, given: dict[str, Any]) -> Any:
    parts = [
        f"SELECT {rank} AS rank, b.* FROM ({branch.query}) AS b (id, at, facts)"
        for rank, branch in enumerate(_BRANCHES)
        if show in (Show.ALL, branch.show)
    ]
    together = "\n UNION ALL ".join(parts)
    query = (
        f"{_MINE}\n SELECT e.* FROM ({together}) AS e {below}"
        " ORDER BY e.at DESC, e.rank DESC, e.id DESC LIMIT :limit"
    )
    types: dict[str, Any] = {"digest": LargeBinary, "at": UtcDateTime}
    used = [name for name in given if f":{name}" in query]
    typed = (bindparam(name, type_=types.get(name, BigInteger)) for name in used)
    return text(query).bindparams(*typed).columns(at=UtcDateTime)


_MINE = """
    WITH p AS MATERIALIZED (SELECT * FROM pledges WHERE supporter_id = :supporter),
    c AS MATERIALIZED (SELECT * FROM charges WHERE supporter_id = :supporter),
    r AS MATERIALIZED (SELECT * FROM refunds WHERE charge_id = ANY(ARRAY(SELECT id FROM c))),
    about AS (
        SELECT 'pledge' AS kind, id FROM p UNION ALL SELECT 'charge', id FROM c
        UNION ALL SELECT 'refund', id FROM r UNION ALL SELECT 'supporter', :supporter)
"""

_MAIL = """jsonb_build_object('template', o.template, 'status', o.status, 'error', o.last_error,
           'tries', o.tries, 'key', o.unique_key, 'change', o.context->>'change',
           'about', o.context->>'about')"""

_BRANCHES = (
    _Branch("pledge made", Show.PLEDGES, """
        SELECT p.id, p.anchor_at, jsonb_build_object('pledge', p.id, 'cadence',
            coalesce((SELECT h.old_cadence FROM pledge_changes h WHERE h.pledge_id = p.id
                      ORDER BY h.version LIMIT 1), p.cadence),
            'minor', coalesce((SELECT h.old_amount_minor FROM pledge_changes h
                               WHERE h.pledge_id = p.id ORDER BY h.version LIMIT 1),
                              p.amount_minor),
            'currency', p.currency) FROM p"""),
    _Branch("checkout", Show.PAYMENTS, """
        SELECT k.id, k.created_at, jsonb_build_object('status', k.status, 'months', k.months,
            'minor', k.amount_minor, 'currency', k.currency, 'stripe', k.stripe_session_id)
        FROM (SELECT id FROM checkouts WHERE charge_id = ANY(ARRAY(SELECT id FROM c))
              UNION SELECT id FROM checkouts
              WHERE prepays_pledge_id = ANY(ARRAY(SELECT id FROM p))) AS mine
        JOIN checkouts k ON k.id = mine.id"""),
    _Branch("charge", Show.PAYMENTS, """
        SELECT c.id, c.created_at, jsonb_build_object('charge', c.id, 'status', c.status,
            'minor', c.amount_minor, 'currency', c.currency, 'pledge', c.pledge_id,
            'over', coalesce(c.decline_code = 'period_over', false))
        FROM c WHERE NOT EXISTS (SELECT 1 FROM attempts a WHERE a.charge_id = c.id)
          AND NOT EXISTS (SELECT 1 FROM offline_gifts g WHERE g.charge_id = c.id)"""),
    _Branch("attempt", Show.PAYMENTS, """
        SELECT a.id, a.started_at, jsonb_build_object('charge', c.id, 'status', a.status,
            'kind', a.kind, 'number', a.number, 'minor', c.amount_minor, 'currency', c.currency,
            'period', c.period, 'months', c.months, 'pledge', c.pledge_id,
            'reason', coalesce(a.decline_code, a.error_code), 'stripe', a.stripe_payment_intent_id,
            'stripe_charge', c.stripe_charge_id, 'refunded', c.refunded_minor,
            'disputed', EXISTS (SELECT 1 FROM disputes d WHERE d.charge_id = c.id
                AND d.status IN ('needs_response', 'under_review', 'lost')),
            'paid', c.status = 'succeeded', 'last', a.number = (
                SELECT max(l.number) FROM attempts l WHERE l.charge_id = c.id))
        FROM attempts a JOIN c ON c.id = a.charge_id
        WHERE a.charge_id = ANY(ARRAY(SELECT id FROM c))"""),
    _Branch("returned", Show.PAYMENTS, """
        SELECT a.id, a.returned_at, jsonb_build_object('charge', c.id, 'minor', c.amount_minor,
            'currency', c.currency, 'reason', c.decline_code)
        FROM attempts a JOIN c ON c.id = a.charge_id
        WHERE a.returned_at IS NOT NULL AND a.charge_id = ANY(ARRAY(SELECT id FROM c))"""),
    _Branch("offline gift", Show.PAYMENTS, """
        SELECT c.id, c.settled_at, jsonb_build_object('charge', c.id, 'minor', c.amount_minor,
            'currency', c.currency, 'method', g.method, 'reference', g.reference,
            'by', g.entered_by, 'day', g.received_on, 'reversed', g.reversed_at IS NOT NULL)
        FROM offline_gifts g JOIN c ON c.id = g.charge_id
        WHERE g.charge_id = ANY(ARRAY(SELECT id FROM c))"""),
    _Branch("offline reversed", Show.PAYMENTS, """
        SELECT c.id, g.reversed_at, jsonb_build_object('charge', c.id, 'minor', c.amount_minor,
            'currency', c.currency)
        FROM offline_gifts g JOIN c ON c.id = g.charge_id
        WHERE g.reversed_at IS NOT NULL AND g.charge_id = ANY(ARRAY(SELECT id FROM c))"""),
    _Branch("refund", Show.PAYMENTS, """
        SELECT r.id, r.requested_at, jsonb_build_object('refund', r.id, 'charge', r.charge_id,
            'status', r.status, 'minor', r.amount_minor, 'currency', r.currency, 'by', r.asked_by,
            'reason', r.failure_code, 'stripe', r.stripe_refund_id) FROM r"""),
    _Branch("dispute", Show.PAYMENTS, """
        SELECT d.id, d.opened_at, jsonb_build_object('charge', d.charge_id, 'status', d.status,
            'minor', d.amount_minor, 'currency', d.currency, 'reason', d.reason,
            'stripe', d.stripe_dispute_id)
        FROM disputes d WHERE d.charge_id = ANY(ARRAY(SELECT id FROM c))"""),
    _Branch("dispute closed", Show.PAYMENTS, """
        SELECT d.id, d.closed_at, jsonb_build_object('charge', d.charge_id, 'status', d.status,
            'minor', d.amount_minor, 'currency', d.currency)
        FROM disputes d
        WHERE d.charge_id = ANY(ARRAY(SELECT id FROM c)) AND d.closed_at IS NOT NULL"""),
    _Branch("warning", Show.PAYMENTS, """
        SELECT w.id, w.warned_at, jsonb_build_object('charge', w.charge_id,
            'warning', w.id, 'decision', w.decision, 'by', w.decided_by)
        FROM fraud_warnings w WHERE w.charge_id = ANY(ARRAY(SELECT id FROM c))"""),
    _Branch("change", Show.PLEDGES, """
        SELECT h.id, h.occurred_at, jsonb_build_object('pledge', h.pledge_id, 'kind', h.kind,
            'old_cadence', h.old_cadence, 'cadence', h.cadence, 'old_minor', h.old_amount_minor,
            'minor', h.amount_minor, 'currency', p.currency, 'until', h.paused_until)
        FROM pledge_changes h JOIN p ON p.id = h.pledge_id
        WHERE h.pledge_id = ANY(ARRAY(SELECT id FROM p))"""),
    _Branch("movement", Show.PLEDGES, """
        SELECT m.id, m.occurred_at, jsonb_build_object('pledge', m.pledge_id, 'kind', m.kind)
        FROM pledge_movements m JOIN p ON p.id = m.pledge_id
        WHERE m.supporter_id = :supporter
          AND (m.kind = 'reactivation' AND m.occurred_at <> p.anchor_at OR
               m.kind = 'churn_involuntary' AND m.occurred_at IS DISTINCT FROM p.cancelled_at)"""),
    _Branch("pledge ended", Show.PLEDGES, """
        SELECT p.id, p.cancelled_at, jsonb_build_object('pledge', p.id, 'reason', p.end_reason)
        FROM p WHERE p.cancelled_at IS NOT NULL"""),
    _Branch("card", Show.PLEDGES, """
        SELECT u.id, coalesce(u.finished_at, u.created_at), jsonb_build_object(
            'pledge', u.pledge_id, 'status', u.status, 'stripe', u.stripe_session_id)
        FROM card_updates u WHERE u.pledge_id = ANY(ARRAY(SELECT id FROM p))"""),
    _Branch("mail", Show.MAIL, f"""
        SELECT o.id, coalesce(o.sent_at, o.created_at), {_MAIL}
        FROM about CROSS JOIN LATERAL (
            SELECT * FROM outbox x WHERE split_part(x.unique_key, ':', 2) = about.kind
               AND split_part(x.unique_key, ':', 3) = about.id::text
               AND x.unique_key NOT LIKE 'receipt:%' AND x.unique_key NOT LIKE 'reminder:%'
            OFFSET 0) AS o"""),
    _Branch("mail", Show.MAIL, f"""
        SELECT o.id, coalesce(o.sent_at, o.created_at), {_MAIL}
        FROM outbox o WHERE o.unique_key = ANY(ARRAY(
            SELECT 'receipt:charge:' || c.id || CASE n WHEN 0 THEN '' ELSE ':' || n END
            FROM c CROSS JOIN generate_series(0, 5) AS n))"""),
    _Branch("mail", Show.MAIL, f"""
        SELECT o.id, coalesce(o.sent_at, o.created_at), {_MAIL}
        FROM reminders m JOIN outbox o ON o.unique_key = 'reminder:' || m.id
        WHERE m.email_digest = :digest"""),
    _Branch("reminder", Show.MAIL, """
        SELECT m.id, m.asked_at, jsonb_build_object('reminder', m.id, 'status', m.status,
            'due', m.due_at)
        FROM reminders m WHERE m.email_digest = :digest"""),
    _Branch("staff", Show.STAFF, """
        SELECT s.id, s.occurred_at, jsonb_build_object('action', s.action, 'who', w.name,
            'kind', s.subject_kind, 'number', s.subject_id, 'reason', s.reason)
        FROM about CROSS JOIN LATERAL (
            SELECT * FROM staff_audit x
            WHERE x.subject_kind = about.kind AND x.subject_id = about.id OFFSET 0) AS s
        LEFT JOIN staff_members w ON w.id = s.staff_member_id
        WHERE s.action NOT IN ('person_seen', 'person_searched', 'note_written')"""),
    _Branch("note", Show.STAFF, """
        SELECT n.id, n.written_at, jsonb_build_object('who', w.name,
            'sealed', encode(n.text_encrypted, 'escape'))
        FROM desk_notes n JOIN staff_members w ON w.id = n.staff_member_id
        WHERE n.supporter_id = :supporter"""),
)  # fmt: skip
"""Ranks are places in here: of two events of one moment the later branch is shown above."""
