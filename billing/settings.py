"""Everything that can be configured, read once from the environment into one frozen object.

`tuppence doctor` tells a non-engineer of each problem; `read_settings` refuses to start with any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from email_validator import EmailNotValidError, validate_email

from billing.money import CURRENCIES, Money

STRIPE_API = "https://api.stripe.com"
STRIPE_CHECKOUT = "https://checkout.stripe.com"


class SettingsError(Exception):
    """The configuration cannot be used. `problems` has one plain sentence for each fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class StripeSettings:
    """How to reach Stripe, or a stand-in that speaks its language."""

    api_key: str = field(repr=False)
    api_base: str
    checkout_origin: str
    """Where hosted Checkout pages lie, as the reader's browser sees it."""
    webhook_secret: str | None = field(repr=False)
    """None refuses every event: nothing is ever waved through unsigned."""
    requests_per_second: float
    connect_seconds: float
    read_seconds: float
    """How long Stripe may take to answer. What it has not answered by then may be done all the
    same, so it is looked up or sent again under its own key. The longest that both can be set to
    is shorter together than `billing.charges.domain.STALE_AFTER`."""

    @property
    def live(self) -> bool:
        """Whether real money moves."""
        return self.api_key.startswith(("sk_live_", "rk_live_"))


@dataclass(frozen=True, kw_only=True)
class NewsroomSettings:
    """Who is asking for support, and for how much."""

    name: str
    timezone: ZoneInfo
    goal: Money
    """What being free of ads costs a month."""
    statement_descriptor: str
    """What stands on the reader's bank statement; 5 to 22 Latin characters in all."""
    contact_email: str
    languages: tuple[str, ...]
    currencies: tuple[str, ...]
    """Currencies offered, the first is the default."""
    article_url: str
    """Where "back to reading" leads."""
    reminders_per_hour: int
    """How many requests to be reminded are taken in an hour, from everybody together."""


@dataclass(frozen=True, kw_only=True)
class MailSettings:
    """Where outgoing mail is handed over."""

    smtp_url: str = field(repr=False)
    """smtp://[user:password@]host:port, or smtps://…; STARTTLS is used where it is offered."""
    sender: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole configuration of one Tuppence."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    base_url: str
    """The public address of this service, without a slash at the end."""
    secret_key: str = field(repr=False)
    encryption_keys: tuple[str, ...] = field(repr=False)
    """Fernet keys; the first encrypts, all decrypt."""
    digest_key: str = field(repr=False)
    stripe: StripeSettings
    newsroom: NewsroomSettings
    mail: MailSettings
    clock_file: Path | None
    """Set only where the clock may be moved: beside the stand-ins, never beside a live key."""
    local: bool
    """Whether the stand-ins of one machine are in use."""
    tick_seconds: float
    """How often the beat looks for due work."""
    charge_threads: int
    """How many renewals one process that takes money has waiting for Stripe at once."""


_REQUIRED = {
    "DATABASE_URL": "the address of the PostgreSQL database, "
    "for example postgresql://user:password@host/tuppence",
    "REDIS_URL": "the address of Redis, for example redis://host:6379/0",
    "BASE_URL": "the public address of this service, for example https://support.example.org",
    "SECRET_KEY": "a long random text that signs links and forms; "
    "`tuppence keys` makes one for you",
    "ENCRYPTION_KEYS": "the key that encrypts readers' addresses; "
    "`tuppence keys` makes one for you",
    "DIGEST_KEY": "the key with which addresses are looked up; `tuppence keys` makes one for you",
    "STRIPE_API_KEY": "the secret key from Stripe's dashboard under Developers → API keys",
    "NEWSROOM_NAME": "the name that readers know you by",
    "CONTACT_EMAIL": "the address that readers may write to",
    "SMTP_URL": "your mail server, for example smtp://user:password@host:587",
    "STATEMENT_DESCRIPTOR": "what the bank statement shows: 5 to 22 Latin letters, "
    "as set in Stripe's dashboard",
}


class _Reader:
    """Reads variables one by one and collects every problem instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def optional(self, name: str, default: str = "") -> str:
        return self._environ.get(name, "").strip() or default

    def required(self, name: str) -> str:
        value = self.optional(name)
        if not value:
            self.problems.append(f"{name} is not set. It is {_REQUIRED[name]}.")
        return value

    def number(
        self, name: str, default: float, minimum: float, maximum: float | None = None
    ) -> float:
        text = self.optional(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not minimum <= value < float("inf") or (maximum is not None and value > maximum):
            end = "up" if maximum is None else f"to {maximum:g}"
            self.problems.append(
                f"{name} is “{text}”; it should be a number from {minimum:g} {end}."
            )
            return default
        return value

    def flag(self, name: str) -> bool:
        return self.optional(name).lower() in {"1", "true", "yes", "on"}

    def complain(self, problem: str) -> None:
        self.problems.append(problem)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Build the settings from environment variables.

    Raises:
        SettingsError: with one sentence for every variable that is missing or wrong.
    """
    reader = _Reader(environ)
    local = reader.flag("TUPPENCE_LOCAL")
    clock_file = reader.optional("TUPPENCE_CLOCK_FILE")
    settings = Settings(
        database_url=_database_url(reader),
        redis_url=reader.required("REDIS_URL"),
        base_url=_base_url(reader, local),
        secret_key=_secret(reader, "SECRET_KEY"),
        encryption_keys=_encryption_keys(reader),
        digest_key=_secret(reader, "DIGEST_KEY"),
        stripe=_stripe(reader),
        newsroom=_newsroom(reader),
        mail=_mail(reader),
        clock_file=Path(clock_file) if clock_file else None,
        local=local,
        tick_seconds=reader.number("TUPPENCE_TICK_SECONDS", 60, 0.2),
        charge_threads=int(reader.number("TUPPENCE_WORKER_THREADS", 150, 1, 200)),
    )
    if settings.stripe.live and (local or clock_file):
        reader.complain(
            "STRIPE_API_KEY is a live key, but the local stand-ins are on (TUPPENCE_LOCAL or "
            "TUPPENCE_CLOCK_FILE). Real cards must never meet a test set-up: "
            "use a key that begins with sk_test_, or start the real services."
        )
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings


def _database_url(reader: _Reader) -> str:
    url = reader.required("DATABASE_URL")
    if url and not url.startswith(("postgresql://", "postgres://", "postgresql+psycopg://")):
        reader.complain("DATABASE_URL must begin with postgresql:// — no other database is spoken.")
    _, separator, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if separator else url


def _base_url(reader: _Reader, local: bool) -> str:
    url = reader.required("BASE_URL").rstrip("/")
    if url and not url.startswith("https://") and not local:
        reader.complain(f"BASE_URL is “{url}”; it must begin with https:// where money is taken.")
    return url


def _secret(reader: _Reader, name: str) -> str:
    value = reader.required(name)
    if value and len(value) < 32:
        reader.complain(f"{name} is too short to be safe: at least 32 characters are needed.")
    return value


def _encryption_keys(reader: _Reader) -> tuple[str, ...]:
    keys = tuple(
        key.strip() for key in reader.required("ENCRYPTION_KEYS").split(",") if key.strip()
    )
    for number, key in enumerate(keys, start=1):
        if len(key) != 44 or not key.isascii():
            reader.complain(
                f"ENCRYPTION_KEYS: key number {number} is not a key made by `tuppence keys` "
                "(44 letters, digits, - and _)."
            )
    return keys


def _stripe(reader: _Reader) -> StripeSettings:
    key = reader.required("STRIPE_API_KEY")
    if key and not key.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
        reader.complain(
            "STRIPE_API_KEY should begin with sk_live_ or sk_test_. A key that begins with pk_ is "
            "the publishable one; the secret key stands beside it in Stripe's dashboard."
        )
    secret = reader.optional("STRIPE_WEBHOOK_SECRET")
    if secret and not secret.startswith("whsec_"):
        reader.complain("STRIPE_WEBHOOK_SECRET should begin with whsec_.")
    api_base = reader.optional("STRIPE_API_BASE", STRIPE_API)
    checkout = STRIPE_CHECKOUT if api_base == STRIPE_API else api_base
    return StripeSettings(
        api_key=key,
        api_base=api_base,
        checkout_origin=reader.optional("STRIPE_CHECKOUT_ORIGIN", checkout).rstrip("/"),
        webhook_secret=secret or None,
        requests_per_second=reader.number("STRIPE_REQUESTS_PER_SECOND", 20, 0.1),
        connect_seconds=reader.number("STRIPE_CONNECT_SECONDS", 3, 0.1, 10),
        read_seconds=reader.number("STRIPE_READ_SECONDS", 20, 0.1, 60),
    )


@cache
def _known_zones() -> set[str]:
    """The names of all time zones. Finding them looks at some hundred files, so it is done once."""
    return available_timezones()


def _newsroom(reader: _Reader) -> NewsroomSettings:
    zone = reader.optional("NEWSROOM_TIMEZONE", "UTC")
    if zone not in _known_zones():
        reader.complain(
            f"NEWSROOM_TIMEZONE is “{zone}”, which is no known time zone; "
            "write it like Europe/Riga."
        )
        zone = "UTC"
    currencies = _listed(reader, "CURRENCIES", "usd,eur,gbp,jpy", set(CURRENCIES))
    languages = _listed(reader, "LANGUAGES", "en,ru", {"en", "ru"})
    goal_currency = currencies[0]
    goal_major = reader.number("MONTHLY_GOAL", 10_000, 1)
    return NewsroomSettings(
        name=reader.required("NEWSROOM_NAME"),
        timezone=ZoneInfo(zone),
        goal=Money(round(goal_major * 10 ** CURRENCIES[goal_currency]), goal_currency),
        statement_descriptor=_descriptor(reader),
        contact_email=_contact(reader),
        languages=languages,
        currencies=currencies,
        article_url=reader.optional("ARTICLE_URL", "/"),
        reminders_per_hour=int(reader.number("REMINDERS_PER_HOUR", 600, 1)),
    )


def _listed(reader: _Reader, name: str, default: str, known: set[str]) -> tuple[str, ...]:
    values = tuple(part.strip().lower() for part in reader.optional(name, default).split(","))
    unknown = [value for value in values if value not in known]
    if unknown:
        reader.complain(
            f"{name} names {', '.join(unknown)}; what can be offered is {', '.join(sorted(known))}."
        )
        return tuple(default.split(","))
    return values


def _descriptor(reader: _Reader) -> str:
    text = reader.required("STATEMENT_DESCRIPTOR")
    letters = [letter for letter in text if letter.isalpha()]
    fits = 5 <= len(text) <= 22 and text.isascii() and letters and not set(text) & set("<>\\'\"*")
    if text and not fits:
        reader.complain(
            f"STATEMENT_DESCRIPTOR is “{text}”; banks take 5 to 22 Latin characters, at least one "
            "letter among them, and none of < > \\ ' \" *."
        )
    return text


def _mail(reader: _Reader) -> MailSettings:
    url = reader.required("SMTP_URL")
    if url and not url.startswith(("smtp://", "smtps://")):
        reader.complain("SMTP_URL must begin with smtp:// or smtps://.")
    return MailSettings(smtp_url=url, sender=_sender(reader))


def _contact(reader: _Reader) -> str:
    """A bare address: it stands on pages, and in links that open a mail program."""
    text = reader.required("CONTACT_EMAIL")
    if text and not _is_address(text):
        reader.complain(
            f"CONTACT_EMAIL is “{text}”, which is no email address; write it by itself, like "
            "support@example.org."
        )
    return text


def _sender(reader: _Reader) -> str:
    """An address, with or without a name before it."""
    text = reader.optional("MAIL_FROM")
    if text and not _is_address(parseaddr(text)[1]):
        reader.complain(
            f"MAIL_FROM is “{text}”, in which there is no email address; write it like "
            "support@example.org or The Northern Courier <support@example.org>."
        )
    return text or reader.optional("CONTACT_EMAIL")


def _is_address(text: str) -> bool:
    """Whether mail can be sent to it. Whether its domain exists is not asked of the network."""
    try:
        validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True
