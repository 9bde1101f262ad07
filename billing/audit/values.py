"""The checks that look at values: calendars, types, and personal data out of place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing.audit.findings import Finding, count, offenders
from billing.charges.tables import Charge
from billing.crypto import UnreadableError
from billing.db import Base
from billing.digest.tables import DigestReader
from billing.pledges.domain import Calendar, after_pause
from billing.pledges.tables import Pledge, PledgeChange
from billing.reminders.tables import Reminder
from billing.runtime import Runtime
from billing.supporters.address import lookup_form
from billing.supporters.tables import Supporter

_ADDRESS = r"[^\s\"<>@/:]+@[^\s\"<>@/:]+\.[^\s\"<>@/:,}]{2,}"
_IP_ADDRESS = r"(^|[^0-9.])([0-9]{1,3}\.){3}[0-9]{1,3}($|[^0-9.])"
_CHUNK = 1000


def calendars_kept(runtime: Runtime, session: Session) -> Finding:
    """Invariant 9: each period falls where its anchor puts it; no naive moment, no fraction."""
    found = Finding(9, count(session, "pledges"))
    zone = runtime.settings.newsroom.timezone
    for pledge in session.scalars(select(Pledge).execution_options(yield_per=_CHUNK)):
        if pledge.next_charge_at not in (None, _next_charge(pledge, zone)):
            found.offenders.append(f"pledge {pledge.id} is next charged off its day")
    rhythms = _Rhythms(session, zone)
    periods = (
        select(Charge.id, func.coalesce(Charge.period, 0), Charge.due_at, Pledge)
        .join(Pledge, Pledge.id == Charge.pledge_id)
        .where(Charge.period > 0)
        .execution_options(yield_per=_CHUNK)
    )
    for charge_id, period, due, pledge in session.execute(periods):
        found.looked_at += 1
        if due != rhythms.of(pledge, period).due_at(period):
            found.offenders.append(f"charge {charge_id} is due off its pledge's day")
    found.offenders += offenders(
        session,
        """
        SELECT 'column ' || table_name || '.' || column_name || ' is ' || data_type
        FROM information_schema.columns
        WHERE table_schema = current_schema()
          AND (data_type IN ('timestamp without time zone', 'real', 'double precision')
               OR (column_name LIKE '%\\_minor' AND data_type <> 'bigint'))
        """,
    )
    found.offenders += offenders(
        session,
        """
        SELECT 'ledger entry ' || id || ' has the currency ' || currency FROM ledger_entries
        WHERE currency !~ '^[a-z]{3}$'
        """,
    )
    return found


def _next_charge(pledge: Pledge, zone: ZoneInfo) -> datetime:
    calendar, period = pledge.calendar(zone), pledge.next_period
    if pledge.paused_until is not None:
        calendar, period = after_pause(calendar, period, pledge.paused_until)
    return calendar.due_at(period)


class _Rhythms:
    """The calendars that pledges had before their supporters changed them, from their history."""

    def __init__(self, session: Session, zone: ZoneInfo) -> None:
        self._zone = zone
        self._changes: dict[int, list[PledgeChange]] = defaultdict(list)
        for change in session.scalars(select(PledgeChange).order_by(PledgeChange.version)):
            self._changes[change.pledge_id].append(change)

    def of(self, pledge: Pledge, period: int) -> Calendar:
        """The calendar that put a period on its day."""
        if period >= pledge.from_period:
            return pledge.calendar(self._zone)
        changes = self._changes[pledge.id]
        earlier = [change for change in changes if change.from_period <= period]
        at_first = changes[0].old_cadence if changes else pledge.cadence
        return Calendar(
            anchor=pledge.anchor_at,
            cadence=earlier[-1].cadence if earlier else at_first,
            zone=self._zone,
            from_period=earlier[-1].from_period if earlier else 0,
            from_month=earlier[-1].from_month if earlier else 0,
        )


def privacy_kept(runtime: Runtime, session: Session) -> Finding:
    """Invariant 10: addresses are encrypted, findable, and nowhere else."""
    found = Finding(10, count(session, "supporters") + count(session, "reminders"))
    for name, digest, encrypted in _people(session):
        try:
            address = runtime.vault.decrypt(encrypted)
        except UnreadableError:
            found.offenders.append(f"{name} cannot be decrypted with any key")
            continue
        if runtime.vault.digest(lookup_form(address)) != digest:
            found.offenders.append(f"{name} cannot be found by its digest")
    for table, column in _plain_columns():
        query = f"""
            SELECT '{table} ' || {_key_of(table)} || ' shows an address in {column}' FROM {table}
            WHERE {column}::text ~ :address
               OR regexp_replace({column}::text, 'https?://[^"[:space:]]+', '', 'g') ~ :ip_address
        """  # noqa: S608 - table and column names come from our own metadata
        found.offenders += offenders(session, query, address=_ADDRESS, ip_address=_IP_ADDRESS)
    found.offenders += offenders(
        session,
        """
        SELECT 'column ' || table_name || '.' || column_name || ' holds an IP address'
        FROM information_schema.columns
        WHERE table_schema = current_schema() AND data_type IN ('inet', 'cidr')
        """,
    )
    return found


def _people(session: Session) -> Iterator[tuple[str, bytes, bytes]]:
    supporters = select(Supporter.id, Supporter.email_digest, Supporter.email_encrypted).where(
        Supporter.email_encrypted.is_not(None)
    )
    for row in session.execute(supporters.execution_options(yield_per=_CHUNK)):
        yield f"supporter {row.id}", row.email_digest, row.email_encrypted
    reminders = select(Reminder.id, Reminder.email_digest, Reminder.email_encrypted).where(
        Reminder.email_encrypted.is_not(None)
    )
    for row in session.execute(reminders.execution_options(yield_per=_CHUNK)):
        yield f"reminder {row.id}", row.email_digest, row.email_encrypted
    for reader in session.scalars(select(DigestReader)):
        yield f"digest reader {reader.id}", reader.email_digest, reader.email_encrypted


def _plain_columns() -> Iterator[tuple[str, str]]:
    """Every column that could hold readable text about a person."""
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            kind = column.type.__class__.__name__
            if kind in ("String", "Text", "JSONB") and column.name not in _ADDRESSES_OF_OURS:
                yield table.name, column.name


_ADDRESSES_OF_OURS = frozenset({"stripe_url"})


def _key_of(table: str) -> str:
    key = Base.metadata.tables[table].primary_key.columns.keys()[0]
    return f"encode({key}, 'hex')" if key == "token_digest" else f"{key}::text"
