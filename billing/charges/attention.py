"""What a person should look at: a plain sentence for each, with the ids. Reads only.

Whatever bad luck brings ends in a named state of its own row, and no other pledge waits for it;
here those states are put into words for the staff page.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from billing.gateway import API_VERSION

RECENT = timedelta(days=30)
"""How long something that is over stays on the list."""

LONG_AGO = timedelta(days=90)
"""The same, counted from the day on which something fell due."""

STUCK_AFTER = timedelta(minutes=15)
"""How long after its turn an email is still waiting when something must be wrong."""

SILENT_AFTER = timedelta(hours=1)
"""How long an attempt may be without an outcome: the sweep asks every few minutes."""

LATE = timedelta(days=1)
"""How long a payout may wait for its reconciliation before it is a matter for people."""

_FRAUD_WARNINGS = """
        SELECT 'Fraud warning ' || w.id || ' (' || replace(w.fraud_type, '_', ' ')
               || ') about charge ' || c.id
               || coalesce(': nothing is taken for pledge ' || p.id || ' until you decide', '')
               || '. Giving the money back within a day usually avoids a dispute.'
        FROM fraud_warnings w JOIN charges c ON c.id = w.charge_id
        LEFT JOIN pledges p ON p.id = c.pledge_id AND p.held_since IS NOT NULL
        WHERE w.decision IS NULL ORDER BY w.id
    """

_DISPUTES = """
        SELECT CASE WHEN status LIKE 'warning%' THEN 'Inquiry ' ELSE 'Dispute ' END || d.id
               || ' (' || replace(d.reason, '_', ' ') || ') about charge ' || d.charge_id
               || CASE WHEN status LIKE '%under_review' THEN ' was answered; the bank decides'
                       ELSE ' is open' || coalesce('; answer on Stripe by '
                            || to_char(d.respond_by, 'FMDD Mon YYYY'), '') END
               || CASE WHEN status LIKE 'warning%'
                       THEN '. No money was taken yet; giving it back usually ends it.'
                       ELSE '. Its pledge has ended.' END
        FROM disputes d WHERE d.closed_at IS NULL ORDER BY d.id
    """

_REFUNDS = """
        SELECT 'Refund ' || id || ' of charge ' || charge_id
               || CASE status WHEN 'refused' THEN ' was refused by Stripe'
                              ELSE ' came back from the bank; give it back another way' END
               || ' (' || coalesce(failure_code, 'no reason given') || ').'
        FROM refunds WHERE status IN ('refused', 'failed') AND changed_at > :recent ORDER BY id
    """

_PAYOUTS = """
        SELECT 'Payout ' || id || ' (' || stripe_payout_id || ') was sent back by the bank ('
               || coalesce(failure_code, 'no reason given') || ').'
        FROM payouts WHERE status = 'failed' AND arrives_at > :recent
        UNION ALL
        SELECT 'Payout ' || id || ' (' || stripe_payout_id || ') is not explained by the ledger: '
               || coalesce('difference ' || difference_minor || ' ' || currency
                           || ' (minor units), ' || unposted || ' of ' || movements
                           || ' movements missing', 'Stripe has not listed it') || '.'
        FROM payouts
        WHERE automatic AND reconciled_at IS NULL AND status NOT IN ('failed', 'canceled')
          AND arrives_at < :late
    """

_LOST_CARDS = """
        SELECT 'Pledge ' || id || ' has no payment method ('
               || coalesce(card_lost, 'none was saved') || '); its supporter was asked for one'
               || coalesce('; it is paused until ' || to_char(paused_until, 'YYYY-MM-DD'), '')
               || '.'
        FROM pledges
        WHERE stripe_payment_method_id IS NULL AND status IN ('active', 'past_due', 'paused')
        ORDER BY id
    """

_REFUSED_BY_STRIPE = """
        SELECT 'Stripe would not take the request for charge ' || c.id || ' of pledge ' || p.id
               || ' (' || coalesce(a.error_code, 'no code') || ', ' || upper(c.currency)
               || '); the pledge is ' || p.status || '.'
        FROM attempts a JOIN charges c ON c.id = a.charge_id JOIN pledges p ON p.id = c.pledge_id
        WHERE a.status = 'refused' AND c.status = 'declined'
          AND p.status IN ('past_due', 'lapsed') AND a.finished_at > :recent
          AND a.number = (SELECT max(number) FROM attempts WHERE charge_id = c.id)
        ORDER BY c.id
    """

_UNMAPPED = """
        SELECT 'Attempt ' || a.id || ' of charge ' || a.charge_id || ' failed with a code in no '
               || 'table (' || concat_ws(', ', a.error_code, a.decline_code, a.advice_code)
               || '); it is retried with care.'
        FROM attempts a WHERE a.mapped IS FALSE AND a.finished_at > :recent ORDER BY a.id
    """

_RETURNED_DEBITS = """
        SELECT 'The bank debit of charge ' || c.id || ' came back after it was paid ('
               || coalesce(c.decline_code, 'no reason given') || ').'
        FROM charges c
        WHERE c.status = 'declined' AND EXISTS (
            SELECT 1 FROM attempts a WHERE a.charge_id = c.id AND a.returned_at > :recent)
        ORDER BY c.id
    """

_LATE_DEBITS = """
        SELECT CASE c.status
               WHEN 'succeeded' THEN 'Charge ' || c.id || ' of pledge ' || p.id
                   || ' was paid after the pledge had lapsed; the pledge is ' || p.status
                   || ' now, and its supporter has a receipt.'
               ELSE 'The bank debit of charge ' || c.id || ' failed ('
                   || coalesce(c.decline_code, 'no reason given') || ') after pledge ' || p.id
                   || ' had lapsed; nothing more is asked for it.' END
        FROM attempts a JOIN charges c ON c.id = a.charge_id JOIN pledges p ON p.id = c.pledge_id
        WHERE a.kind = 'off_session' AND a.finished_at > :recent AND a.returned_at IS NULL
          AND a.finished_at - a.started_at > interval '1 minute'
          AND (a.status, c.status) IN (('succeeded', 'succeeded'), ('declined', 'declined'))
          AND a.number = (SELECT max(number) FROM attempts WHERE charge_id = c.id)
          AND p.status <> 'cancelled' AND EXISTS (
            SELECT 1 FROM pledge_movements m
            WHERE m.pledge_id = p.id AND m.kind = 'churn_involuntary'
              AND m.occurred_at > a.started_at AND m.occurred_at < a.finished_at)
        ORDER BY c.id
    """

_LOST_PAGES = """
        SELECT 'Stripe does not know the page of checkout ' || id || ' ('
               || stripe_session_id || ') any more; it was written off. Was the account or its key '
               || 'changed? Look on Stripe whether it was paid.'
        FROM checkouts
        WHERE status = 'expired' AND failure_code = 'session_missing' AND finished_at > :recent
        ORDER BY id
    """

_PAID_AHEAD = """
        SELECT 'Pledge ' || p.id || ' was cancelled in months that charge ' || c.id
               || ' had paid ahead (' || c.months || ' in all); decide whether to give part back.'
        FROM charges c JOIN pledges p ON p.id = c.pledge_id
        WHERE c.months > 1 AND c.status = 'succeeded' AND c.refunded_minor = 0
          AND p.status = 'cancelled' AND p.cancelled_at > :recent
          AND p.end_reason IN ('supporter', 'erased')
          AND p.cancelled_at < c.due_at + make_interval(months => c.months::int)
        UNION ALL
        SELECT 'Charge ' || c.id || ' paid ' || c.months || ' months of pledge ' || p.id
               || ' ahead and was given back; nothing is taken until '
               || to_char(p.next_charge_at, 'YYYY-MM-DD') || ', as was announced.'
        FROM charges c JOIN pledges p ON p.id = c.pledge_id
        WHERE c.months > 1 AND c.status = 'succeeded' AND c.refunded_minor > 0
          AND p.status IN ('active', 'paused')
          AND p.next_period = c.period + c.months
    """

_PERIODS_OVER = """
        SELECT CASE count(*) WHEN 1 THEN 'A charge was' ELSE count(*) || ' charges were' END
               || ' let go of, as the next period had begun before anybody could be asked (the '
               || 'last is charge ' || max(id) || ', due ' || to_char(max(due_at), 'FMDD Mon YYYY')
               || '). Only the current period is charged. Did no worker run?'
        FROM charges
        WHERE status = 'cancelled' AND decline_code = 'period_over' AND due_at > :long_ago
        HAVING count(*) > 0
    """

_ERASED_UNDER_WAY = """
        SELECT 'Supporter ' || s.id || ' was erased while charge ' || c.id || ' was ' || c.status
               || '; if it is paid, nobody can be written to about it.'
        FROM supporters s JOIN charges c ON c.supporter_id = s.id
        WHERE s.erased_at IS NOT NULL AND c.status IN ('submitted', 'processing')
        UNION ALL
        SELECT 'Charge ' || c.id || ' was paid after supporter ' || s.id || ' was erased; decide '
               || 'whether to give it back.'
        FROM supporters s JOIN charges c ON c.supporter_id = s.id
        WHERE s.erased_at IS NOT NULL AND c.refunded_minor = 0 AND EXISTS (
            SELECT 1 FROM attempts a WHERE a.charge_id = c.id AND a.status = 'succeeded'
                AND a.finished_at > s.erased_at)
        UNION ALL
        SELECT 'Pledge ' || p.id || ' was made while supporter ' || s.id || ' was erased and is '
               || p.status || '; end it.'
        FROM supporters s JOIN pledges p ON p.supporter_id = s.id
        WHERE s.erased_at IS NOT NULL AND p.status <> 'cancelled'
    """

_EVENTS = """
        SELECT 'Event ' || id || ' (' || type || ') could not be handled ('
               || coalesce(last_error, 'no reason given')
               || '). Once its cause is gone: tuppence retry events.'
        FROM webhook_events WHERE status = 'failed'
        UNION ALL
        SELECT 'Events came about things that Stripe does not know (' || count(*)
               || ', the last event ' || max(id) || ' about ' || max(object_id)
               || '); nothing was done. Another account''s endpoint may point here.'
        FROM webhook_events WHERE last_error = 'resource_missing' AND received_at > :recent
        HAVING count(*) > 0
        UNION ALL
        SELECT 'Events came in the mode that our key is not for (' || count(*)
               || ', the last event ' || max(id) || '): a test endpoint points here, or a live one.'
        FROM webhook_events WHERE last_error = 'other_mode' AND received_at > :recent
        HAVING count(*) > 0
        UNION ALL
        SELECT 'Events came in version ' || min(api_version) || ' of Stripe''s interface ('
               || count(*) || ', the last event ' || max(id) || '); set the endpoint to '
               || :version || ', or news comes late.'
        FROM (SELECT * FROM webhook_events ORDER BY id DESC LIMIT 1000) AS latest
        WHERE NOT backfilled AND api_version <> :version AND last_error IS DISTINCT FROM
              'other_mode' AND received_at > :recent
        HAVING count(*) > 0
    """

_MAIL = """
        SELECT count(*) || CASE count(*) WHEN 1 THEN ' email has' ELSE ' emails have' END
               || ' failed for good (' || replace(template, '_', ' ') || ', '
               || coalesce(last_error, 'no reason given') || ', the last is message ' || max(id)
               || '). Once the cause is gone: tuppence retry mail.'
        FROM outbox WHERE status = 'failed' GROUP BY template, last_error
        UNION ALL
        SELECT count(*) || CASE count(*) WHEN 1 THEN ' email has' ELSE ' emails have' END
               || ' been waiting for more than 15 minutes. Is the worker running?'
        FROM outbox WHERE status IN ('waiting', 'sending') AND next_try_at < :stuck
        HAVING count(*) > 0
    """

_UNANNOUNCED = """
        SELECT 'Pledge ' || p.id || ' is not charged: the notice before its annual charge could '
               || 'not be delivered (' || coalesce(o.last_error, 'no reason given')
               || '). It is written anew after 30 days.'
        FROM pledges p JOIN outbox o ON o.id = p.renewal_notice_id
        WHERE p.status = 'active' AND p.cadence = 'annual' AND o.status IN ('failed', 'dropped')
        ORDER BY p.next_charge_at, p.id
    """

_STRANGERS = """
        SELECT 'Events came about things at Stripe that Tuppence has no part in (' || count(*)
               || ', the last event ' || max(id) || '); they were left alone. That is as it should '
               || 'be if something else uses the same Stripe account.'
        FROM webhook_events WHERE last_error = 'not_ours' AND received_at > :recent
        HAVING count(*) > 0
    """

_UNRESOLVED = """
        SELECT 'Nobody knows yet whether attempt ' || a.id || ' of charge ' || a.charge_id
               || ' took the money (' || coalesce(a.error_code, 'no answer') || ', since '
               || to_char(a.started_at, 'FMDD Mon YYYY HH24:MI') || ' UTC). It is asked for again '
               || 'by itself; does Stripe answer?'
        FROM attempts a
        WHERE a.status IN ('in_flight', 'unknown') AND a.kind = 'off_session'
          AND a.started_at < :silent
        ORDER BY a.id
    """

_LOOKS = (
    _FRAUD_WARNINGS,
    _DISPUTES,
    _REFUNDS,
    _PAYOUTS,
    _UNRESOLVED,
    _MAIL,
    _UNANNOUNCED,
    _EVENTS,
    _REFUSED_BY_STRIPE,
    _LOST_CARDS,
    _RETURNED_DEBITS,
    _LATE_DEBITS,
    _PERIODS_OVER,
    _LOST_PAGES,
    _PAID_AHEAD,
    _ERASED_UNDER_WAY,
    _UNMAPPED,
)
_ALL = text(
    "\nUNION ALL\n".join(
        f"SELECT {place} AS place, looked.line, row_number() OVER () AS number FROM ({query})"
        " AS looked (line)"
        for place, query in enumerate((*_LOOKS, _STRANGERS))
    )
    + "\nORDER BY place, number"
)
"""All of them at once: the page of the day has few queries to spend."""


def attention(session: Session, *, now: datetime) -> list[str]:
    """Everything that waits for a person, the most urgent first."""
    return look(session, now=now)[0]


def look(session: Session, *, now: datetime) -> tuple[list[str], list[str]]:
    """What waits for a person, the most urgent first, and what is only good to know. One query."""
    moments = {
        "recent": now - RECENT,
        "late": now - LATE,
        "stuck": now - STUCK_AFTER,
        "long_ago": now - LONG_AGO,
        "silent": now - SILENT_AFTER,
        "version": API_VERSION,
    }
    needed: list[str] = []
    known: list[str] = []
    for place, line, _ in session.execute(_ALL, moments):
        (known if place == len(_LOOKS) else needed).append(line)
    return needed, known


def remarks(session: Session, *, now: datetime) -> list[str]:
    """What came to its end without anybody having to do something, and is good to know."""
    return look(session, now=now)[1]
