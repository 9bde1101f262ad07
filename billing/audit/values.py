"""The checks that look at values: calendars, types, and personal data out of place."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing.audit.findings import Finding, count, offenders
from billing.charges.tables import Charge
from billing.crypto import UnreadableError
from billing.db import Base
from billing.pledges.domain import due_at
from billing.pledges.tables import Pledge
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
        expected = due_at(pledge.anchor_at, pledge.cadence, pledge.next_period, zone)
        if pledge.next_charge_at is not None and pledge.next_charge_at != expected:
            found.offenders.append(f"pledge {pledge.id} is next charged off its day")
    periods = (
        select(Charge.id, Charge.period, Charge.due_at, Pledge.anchor_at, Pledge.cadence)
        .join(Pledge, Pledge.id == Charge.pledge_id)
        .where(Charge.period > 0)
        .execution_options(yield_per=_CHUNK)
    )
    for row in session.execute(periods):
        found.looked_at += 1
        if row.due_at != due_at(row.anchor_at, row.cadence, row.period, zone):
            found.offenders.append(f"charge {row.id} is due off its pledge's day")
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
