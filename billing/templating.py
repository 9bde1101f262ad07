"""Finding out before the first reader does that a template is missing or broken."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, TemplateError, meta

FOLDER = Path(__file__).resolve().parent.parent / "templates"

PAGES: tuple[str, ...] = (
    "appeals/appeal.js",
    "checkout/support.html",
    "checkout/thanks.html",
    "desk/cancel.html",
    "desk/erase.html",
    "desk/gift.html",
    "desk/link.html",
    "desk/lower.html",
    "desk/lower_confirm.html",
    "desk/pause.html",
    "desk/pause_confirm.html",
    "desk/person.html",
    "desk/receipt.html",
    "desk/refund.html",
    "desk/refund_confirm.html",
    "desk/reminder.html",
    "desk/reminder_erase.html",
    "desk/reminder_stop.html",
    "desk/resume.html",
    "desk/search.html",
    "desk/take_back.html",
    "desk/warning.html",
    "desk/warning_give_back.html",
    "desk/warning_keep.html",
    "digest/unsubscribe.html",
    "digest/unsubscribed.html",
    "errors/page.html",
    "pledges/ahead.html",
    "pledges/answered.html",
    "pledges/cancel.html",
    "pledges/cancelled.html",
    "pledges/card.html",
    "pledges/card_saved.html",
    "pledges/change.html",
    "pledges/change_confirm.html",
    "pledges/manage.html",
    "pledges/pause.html",
    "pledges/pause_confirm.html",
    "pledges/pay.html",
    "pledges/resume.html",
    "pledges/skip.html",
    "reminders/asked.html",
    "reminders/form.html",
    "reminders/unsubscribe.html",
    "reminders/unsubscribed.html",
    "revenue/at_risk.html",
    "revenue/bridges.html",
    "revenue/charge.html",
    "revenue/churn.html",
    "revenue/cohort.html",
    "revenue/cohorts.html",
    "revenue/departed.html",
    "revenue/export.html",
    "revenue/export_refused.html",
    "revenue/fees.html",
    "revenue/figures.html",
    "revenue/forecast.html",
    "revenue/gifts.html",
    "revenue/givers.html",
    "revenue/journal.html",
    "revenue/lines.html",
    "revenue/money.html",
    "revenue/moves.html",
    "revenue/overview.html",
    "revenue/payout.html",
    "revenue/payouts.html",
    "revenue/pledge.html",
    "revenue/recovery.html",
    "revenue/refused.html",
    "revenue/reminder_list.html",
    "revenue/reminders.html",
    "revenue/renewals.html",
    "revenue/sources.html",
    "revenue/starts.html",
    "site/privacy.html",
    "staff/audit_trail.html",
    "staff/digest.html",
    "staff/join.html",
    "staff/joined.html",
    "staff/link_made.html",
    "staff/link_refused.html",
    "staff/member.html",
    "staff/members.html",
    "staff/passkeys.html",
    "staff/role_refused.html",
    "staff/sign_in.html",
    "staff/sign_in_locally.html",
    "staff/signed_out.html",
    "staff/stolen.html",
    "staff/verify.html",
)
"""Every page that a view renders. A test holds this list against the views."""

EMAILS: tuple[str, ...] = (
    "amount_changed",
    "cancelled",
    "card_expiring",
    "card_needed",
    "confirm_payment",
    "digest",
    "digest_confirm",
    "lapsed",
    "link_asked",
    "pledge_changed",
    "prepaid",
    "payment_failed",
    "receipt",
    "refunded",
    "reminder",
    "renewal_notice",
)
"""Every folder of templates/emails/ that something puts into the outbox."""

STAFF_EMAILS = frozenset({"digest", "digest_confirm"})
"""Those that only staff get: in English, as the staff pages are."""

EMAIL_PARTS = ("subject.txt", "body.txt", "body.html")


class BrokenTemplatesError(Exception):
    """Templates are missing or cannot be read; the message names them."""


def missing_templates(folder: Path = FOLDER) -> list[str]:
    """Names of templates that a page or an email needs and that are missing or broken."""
    loader = FileSystemLoader(folder)
    environment = Environment(loader=loader, autoescape=True, extensions=["jinja2.ext.i18n"])
    wanted = [*PAGES, *(f"emails/{name}/{part}" for name in EMAILS for part in EMAIL_PARTS)]
    seen: set[str] = set()
    broken: list[str] = []
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            wanted += _references(environment, loader, name)
        except (TemplateError, OSError, UnicodeDecodeError):
            broken.append(name)
    return sorted(broken)


@cache
def require_templates(folder: Path = FOLDER) -> None:
    """Refuse to start with a template missing. A folder found whole is not read again.

    Raises:
        BrokenTemplatesError: naming each one.
    """
    missing = missing_templates(folder)
    if missing:
        raise BrokenTemplatesError(f"templates missing or broken: {', '.join(missing)}")


def _references(environment: Environment, loader: FileSystemLoader, name: str) -> Iterator[str]:
    """The templates that this one extends, includes or imports by name."""
    source, _, _ = loader.get_source(environment, name)
    tree = environment.parse(source)
    return (found for found in meta.find_referenced_templates(tree) if found is not None)
