"""`tuppence doctor`: what is missing, in words that a non-engineer can act on."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import redis
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from billing.gateway import BusyError, GatewayError
from billing.l10n import format_money
from billing.migrate import is_current
from billing.runtime import Runtime, build_runtime
from billing.settings import NewsroomSettings, SettingsError, read_settings
from billing.staff.domain import PASSKEYS_ADVISED
from billing.staff.members import administrators_by_passkeys
from billing.staff.relying_party import relying_party
from billing.templating import missing_templates

OLDEST_POSTGRESQL = 150_000
"""As PostgreSQL counts its versions: 15.0."""


@dataclass(frozen=True)
class Diagnosis:
    """One thing looked at: `problem` is None when it is well, and `note` is worth knowing then."""

    about: str
    problem: str | None
    note: str = ""

    def line(self) -> str:
        """The diagnosis in one line."""
        if self.problem is not None:
            return f"TO MEND   {self.about}: {self.problem}"
        return f"to know   {self.about}: {self.note}" if self.note else f"well      {self.about}"


def diagnose(environ: Mapping[str, str]) -> list[Diagnosis]:
    """Look at the configuration and at everything it points to. Changes nothing."""
    try:
        settings = read_settings(environ)
    except SettingsError as error:
        return [Diagnosis("settings", problem) for problem in error.problems]
    runtime = build_runtime(settings, pool_size=1)
    looks: list[tuple[str, Callable[[Runtime], str | None]]] = [
        ("encryption keys", _keys),
        ("database", _database),
        ("tables", _tables),
        ("Redis", _redis),
        ("Stripe", _stripe),
        ("webhooks", _webhooks),
        ("mail", _mail),
        ("templates", _templates),
    ]
    found = [Diagnosis("settings", None), Diagnosis("goal", None, _goal(settings.newsroom))]
    for about, look in looks:
        found.append(Diagnosis(about, look(runtime)))
    found.append(_staff(runtime))
    runtime.database.dispose()
    return found


def _goal(newsroom: NewsroomSettings) -> str:
    """In which currency the goal is, where more than one is offered; else nothing."""
    first, *others = (code.upper() for code in newsroom.currencies)
    if not others:
        return ""
    return (
        f"MONTHLY_GOAL is read as {format_money(newsroom.goal, 'en')} in {first}, the first of "
        f"CURRENCIES. Gifts in {' and '.join(others)} count towards it only when Stripe pays them "
        f"into your {first} balance; what it keeps in a balance of their own does not. If the goal "
        "is in another currency, put that one first."
    )


def _keys(runtime: Runtime) -> str | None:
    probe = "a probe"
    if runtime.vault.decrypt(runtime.vault.encrypt(probe)) != probe:
        return "ENCRYPTION_KEYS do not work. Make new ones with `tuppence keys`."
    return None


def _database(runtime: Runtime) -> str | None:
    try:
        with runtime.database.transaction() as session:
            version = int(str(session.execute(text("SHOW server_version_num")).scalar_one()))
    except SQLAlchemyError:
        return (
            "nobody answers at DATABASE_URL, or the password is wrong. Is PostgreSQL running, and "
            "may this machine reach it?"
        )
    if version < OLDEST_POSTGRESQL:
        return "this PostgreSQL is older than version 15. Please upgrade it."
    return None


def _tables(runtime: Runtime) -> str | None:
    try:
        current = is_current(runtime.database.engine)
    except SQLAlchemyError:
        return "they cannot be seen while the database is out of reach."
    return None if current else "they are not up to date. Run `tuppence migrate`."


def _redis(runtime: Runtime) -> str | None:
    try:
        with redis.Redis.from_url(
            runtime.settings.redis_url, socket_connect_timeout=3, socket_timeout=3
        ) as connection:
            connection.ping()
    except (redis.RedisError, ValueError):
        return "nobody answers at REDIS_URL, or the password is wrong. Is Redis running?"
    return None


def _stripe(runtime: Runtime) -> str | None:
    try:
        runtime.gateway.check_key()
    except BusyError:
        return (
            "Stripe does not accept STRIPE_API_KEY. Copy the secret key again from Stripe's "
            "dashboard, Developers → API keys."
        )
    except GatewayError:
        return "Stripe cannot be reached from this machine. Is outgoing HTTPS allowed?"
    return None


def _webhooks(runtime: Runtime) -> str | None:
    if runtime.settings.stripe.webhook_secret is None:
        return (
            "STRIPE_WEBHOOK_SECRET is not set, so every event from Stripe is refused. In Stripe's "
            f"dashboard under Developers → Webhooks add {runtime.settings.base_url}/stripe/webhook "
            "and copy its signing secret (whsec_…)."
        )
    return None


def _mail(runtime: Runtime) -> str | None:
    parts = urlsplit(runtime.settings.mail.smtp_url)
    kind = smtplib.SMTP_SSL if parts.scheme == "smtps" else smtplib.SMTP
    try:
        with kind(parts.hostname or "", parts.port or 0, timeout=5) as connection:
            connection.noop()
    except (OSError, smtplib.SMTPException):
        return "no mail server answers at SMTP_URL. Check its name and port."
    return None


def _staff(runtime: Runtime) -> Diagnosis:
    """Whether staff can sign in, and would get in again after losing a passkey."""
    about = "staff access"
    party = relying_party(runtime.settings.base_url)
    if not party.can_have_passkeys:
        return Diagnosis(
            about,
            f"browsers make no passkeys for {party.origin}. BASE_URL needs a domain name and "
            "https; on one machine, http://localhost will do.",
        )
    try:
        with runtime.database.transaction() as session:
            admins = administrators_by_passkeys(session)
    except SQLAlchemyError:
        return Diagnosis(about, None, "it cannot be seen while the tables are out of reach.")
    return Diagnosis(about, None, _access_advice(admins))


def _access_advice(admins: list[int]) -> str:
    """What to do, for administrators with so many passkeys each."""
    if not any(admins):
        return (
            'no administrator has a passkey yet. `tuppence staff invite "NAME" --role admin` '
            "prints a link that registers one."
        )
    if max(admins) < PASSKEYS_ADVISED:
        return (
            "no administrator has a second passkey, on another device or a security key. Whoever "
            "loses the only one gets in again by `tuppence staff recover` alone."
        )
    return ""


def _templates(_runtime: Runtime) -> str | None:
    missing = missing_templates()
    if missing:
        return f"missing or broken: {', '.join(missing)}. Install Tuppence again."
    return None
