"""The command line: `tuppence …`."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

import click
from cryptography.fernet import Fernet
from sqlalchemy.orm import Session

from billing.audit.report import audit as run_audit
from billing.charges.attention import look
from billing.charges.progress import progress
from billing.doctor import diagnose
from billing.gateway import GatewayError
from billing.local.run import run_local
from billing.local.running import environment
from billing.migrate import migrate as run_migrations
from billing.reminders import brake
from billing.retry import retry_events, retry_mail
from billing.revenue.exports.streaming import Download
from billing.revenue.journal.formats import Format
from billing.revenue.journal.making import Ordered, make as make_journal
from billing.revenue.journal.months import JournalError
from billing.revenue.rebuild import rebuild
from billing.revenue.renewals import lines
from billing.runtime import Runtime, build_runtime
from billing.seed.copying import NotEmptyError
from billing.seed.many import seed as make_history
from billing.settings import SettingsError, read_settings
from billing.staff import invitations
from billing.staff.audit_listing import told
from billing.staff.audit_trail import AuditAction
from billing.staff.domain import Role
from billing.staff.errors import StaffError
from billing.staff.formats import Formats
from billing.staff.relying_party import relying_party

_WATCH_SECONDS = 2.0
_FORMATS = click.Choice([each.value for each in Format])


@contextmanager
def _runtime() -> Iterator[Runtime]:
    """The working parts, or a plain message about what is missing."""
    try:
        runtime = build_runtime(read_settings(environment(os.environ)), pool_size=2)
    except SettingsError as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        click.echo("`tuppence doctor` looks at the whole configuration.", err=True)
        sys.exit(2)
    try:
        yield runtime
    finally:
        runtime.database.dispose()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Donations and memberships that an independent newsroom hosts itself."""


@main.command()
def run() -> None:
    """Start everything on this machine, with stand-ins for Stripe and mail."""
    sys.exit(run_local(os.environ))


@main.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    with _runtime() as runtime:
        run_migrations(runtime.database.engine)
    click.echo("The tables are up to date.")


@main.command()
def doctor() -> None:
    """Say what is missing in the configuration, and what to do about it."""
    found = diagnose(environment(os.environ))
    for diagnosis in found:
        click.echo(diagnosis.line())
    sys.exit(1 if any(diagnosis.problem for diagnosis in found) else 0)


@main.command()
@click.option("--without-stripe", is_flag=True, help="Look at the database only.")
def audit(*, without_stripe: bool) -> None:
    """Check that money, mail and personal data are as they must be. Changes nothing."""
    try:
        with _runtime() as runtime:
            findings = run_audit(runtime, with_stripe=not without_stripe)
    except GatewayError as error:
        click.echo(f"Stripe could not be asked ({error}); nothing was concluded.", err=True)
        sys.exit(2)
    for finding in findings:
        click.echo(finding.line())
    sys.exit(1 if any(finding.offenders for finding in findings) else 0)


@main.command()
@click.option("--watch", is_flag=True, help="Look again every two seconds, until Ctrl-C.")
def renewals(*, watch: bool) -> None:
    """Say how far today's renewals have come."""
    with _runtime() as runtime:
        while True:
            told = "\n".join(_renewals(runtime))
            if watch:
                click.clear()
            click.echo(told)
            if not watch:
                return
            time.sleep(_WATCH_SECONDS)


def _renewals(runtime: Runtime) -> list[str]:
    now, zone = runtime.clock.now(), runtime.settings.newsroom.timezone
    limit = runtime.settings.stripe.requests_per_second
    with runtime.database.transaction() as session:
        run_so_far = progress(session, zone=zone, limit=limit, now=now)
    return lines(run_so_far, Formats(zone), now)


@main.command()
def attention() -> None:
    """Name everything that waits for a person. Exits with 1 when there is something."""
    with _runtime() as runtime, runtime.database.transaction() as session:
        now = runtime.clock.now()
        found, known = look(session, now=now)
        needed = [*found, *brake.attention(session, now=now)]
    for line in needed or ["Nothing needs a person."]:
        click.echo(line)
    for line in known:
        click.echo(f"By the way: {line}")
    sys.exit(1 if needed else 0)


@main.command()
@click.argument("what", type=click.Choice(["mail", "events"]))
@click.option("--limit", default=100_000, show_default=True, type=click.IntRange(min=1))
def retry(what: str, limit: int) -> None:
    """Try again what was given up: failed mail, or failed webhook events."""
    again = retry_mail if what == "mail" else retry_events
    with _runtime() as runtime, runtime.database.transaction() as session:
        count = again(session, now=runtime.clock.now(), limit=limit)
    one, many = ("email", "emails") if what == "mail" else ("event", "events")
    click.echo(f"{count:,} {one if count == 1 else many} will be tried again.")


@main.command()
@click.option("--supporters", required=True, type=click.IntRange(1, 5_000_000))
@click.option("--months", default=24, show_default=True, type=click.IntRange(1, 120))
@click.option(
    "--seed", "number", default=1, show_default=True, help="Another number, another history."
)
def seed(supporters: int, months: int, number: int) -> None:
    """Fill an empty local database with a large made-up history."""
    with _runtime() as runtime:
        try:
            written = make_history(
                runtime, supporters=supporters, months=months, number=number, say=click.echo
            )
        except NotEmptyError as error:
            click.echo(str(error), err=True)
            sys.exit(2)
    for table, count in written.rows.items():
        click.echo(f"{count:>12,}  {table}")
    click.echo(
        f"{written.seconds:.0f} s: rows {written.telling:.0f} s, keys {written.keys:.0f} s,"
        f" rollups {written.rollups:.0f} s."
    )


@main.group()
def revenue() -> None:
    """The figures on the revenue pages."""


@revenue.command("rebuild")
def rebuild_figures() -> None:
    """Compute the figures anew from the ledger, and put right what is wrong.

    Exits with 1 when anything was.
    """
    with _runtime() as runtime:
        found = rebuild(runtime)
    for each in found:
        click.echo(
            f"{each.table}: " + (f"{each.wrong:,} rows put right" if each.wrong else "right")
        )
    sys.exit(1 if any(each.wrong for each in found) else 0)


@main.command()
@click.option("--month", required=True, help="A month that is over, such as 2026-10.")
@click.option("--format", "format_", type=_FORMATS, default=Format.CSV.value)
def journal(month: str, format_: str) -> None:
    """Print a month of the ledger for the accountant: double-entry CSV, or Beancount."""
    ordered = Ordered(month=month, format=format_)
    with _runtime() as runtime:
        make = partial(make_journal, ordered, runtime.settings.newsroom, runtime.clock.now())
        try:
            file = Download(runtime, make, staff_member_id=None, detail=ordered.detail())
        except JournalError as error:
            click.echo(str(error), err=True)
            sys.exit(2)
        with closing(file):
            for piece in file:
                click.echo(piece, nl=False)
        if not file.whole:
            click.echo("The journal was cut off; please try again.", err=True)
            sys.exit(1)


@main.group()
def staff() -> None:
    """Who has access to the staff pages, and what they did there."""


@staff.command()
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), help="Default: viewer.")
def invite(name: str, role: str | None) -> None:
    """Print a link by which NAME registers a passkey, once, within three days."""
    with _staff_work() as (runtime, session):
        chosen = Role(role) if role else None
        token = invitations.invite(session, name, chosen, runtime.clock.now())
        click.echo(relying_party(runtime.settings.base_url).url(f"/staff/join/{token}"))


@staff.command()
@click.argument("name")
@click.option("--revoke-passkeys", is_flag=True, help="For a lost or stolen device.")
def recover(name: str, *, revoke_passkeys: bool) -> None:
    """Print a link by which NAME, who is locked out, registers a new passkey."""
    with _staff_work() as (runtime, session):
        now = runtime.clock.now()
        token = invitations.recover(session, name, now, revoke=revoke_passkeys)
        click.echo(relying_party(runtime.settings.base_url).url(f"/staff/join/{token}"))


@staff.command("audit-trail")
@click.option("--member", default="", help="Of one member of staff, by name.")
@click.option("--action", type=click.Choice([action.value for action in AuditAction]))
@click.option("--page", default=1, show_default=True, type=click.IntRange(min=1))
def audit_trail(member: str, action: str | None, page: int) -> None:
    """Print what staff did and saw, the newest first."""
    with _staff_work() as (runtime, session):
        formats = Formats(runtime.settings.newsroom.timezone)
        for line in told(session, formats, member=member, action=action or "", page=page):
            click.echo(line)


@contextmanager
def _staff_work() -> Iterator[tuple[Runtime, Session]]:
    """A transaction for a staff command; what it refuses is said in a sentence."""
    with _runtime() as runtime:
        try:
            with runtime.database.transaction() as session:
                yield runtime, session
        except StaffError as error:
            click.echo(str(error), err=True)
            sys.exit(2)


@main.command()
def keys() -> None:
    """Make the secret keys that a new installation needs."""
    click.echo(f"SECRET_KEY={secrets.token_urlsafe(48)}")
    click.echo(f"ENCRYPTION_KEYS={Fernet.generate_key().decode()}")
    click.echo(f"DIGEST_KEY={secrets.token_urlsafe(48)}")
    click.echo("# Keep these safe and apart from backups of the database: without them")
    click.echo("# no reader's address can be read again.")


if __name__ == "__main__":
    main()
