"""A configuration is read whole, or refused with a plain sentence for every fault."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask

from billing.cli import main
from billing.clock import FileClock, FixedClock, SystemClock
from billing.runtime import Runtime
from billing.settings import SettingsError, read_settings
from billing.staff.domain import Role
from tests.support.authenticator import Authenticator
from tests.support.staff import staff_client
from tests.support.standin import StandIn

REQUIRED = [
    "DATABASE_URL", "REDIS_URL", "BASE_URL", "SECRET_KEY", "ENCRYPTION_KEYS", "DIGEST_KEY",
    "STRIPE_API_KEY", "NEWSROOM_NAME", "CONTACT_EMAIL", "SMTP_URL", "STATEMENT_DESCRIPTOR",
]  # fmt: skip


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    return caught.value.problems


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_setting_is_named_and_explained(environment: dict[str, str], name: str) -> None:
    environment[name] = "  "
    [problem] = problems(environment)
    assert problem.startswith(f"{name} is not set. It is ")


def test_nothing_set_is_told_all_at_once() -> None:
    assert sorted(problem.split()[0] for problem in problems({})) == sorted(REQUIRED)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DATABASE_URL", "mysql://x", "postgresql://"),
        ("SECRET_KEY", "short", "too short"),
        ("ENCRYPTION_KEYS", "nonsense", "key number 1"),
        ("STRIPE_API_KEY", "pk_test_1", "publishable"),
        ("STRIPE_WEBHOOK_SECRET", "secret", "whsec_"),
        ("NEWSROOM_TIMEZONE", "Mars/Olympus", "no known time zone"),
        ("CURRENCIES", "usd,xyz", "xyz"),
        ("LANGUAGES", "en,tlh", "tlh"),
        ("STATEMENT_DESCRIPTOR", "ABC", "5 to 22"),
        ("STATEMENT_DESCRIPTOR", "СЕВЕРНЫЙ КУРЬЕР", "Latin"),
        ("STATEMENT_DESCRIPTOR", "A*B*C*D", "5 to 22"),
        ("SMTP_URL", "http://mail", "smtp://"),
        ("STRIPE_REQUESTS_PER_SECOND", "fast", "a number"),
        ("STRIPE_REQUESTS_PER_SECOND", "nan", "a number"),
        ("STRIPE_READ_SECONDS", "0", "from 0.1 to 60"),
        ("STRIPE_READ_SECONDS", "61", "from 0.1 to 60"),
        ("STRIPE_CONNECT_SECONDS", "11", "from 0.1 to 10"),
        ("MONTHLY_GOAL", "0", "a number from 1"),
        ("CONTACT_EMAIL", "support", "no email address"),
        ("CONTACT_EMAIL", "Support <support@example.org>", "by itself"),
        ("CONTACT_EMAIL", "support@example.org, desk@example.org", "no email address"),
        ("MAIL_FROM", "The Northern Courier", "no email address"),
        ("MAIL_FROM", "The Northern Courier <support>", "no email address"),
    ],
)
def test_a_wrong_setting_is_named(
    environment: dict[str, str], name: str, value: str, says: str
) -> None:
    environment[name] = value
    [problem] = problems(environment)
    assert name in problem
    assert says in problem


@pytest.mark.parametrize(
    "sender",
    [
        "support@example.org",
        "The Northern Courier <support@example.org>",
        "support@пример.рф",
        "support@localhost.test",
    ],
)
def test_mail_comes_from_an_address_with_or_without_a_name(
    environment: dict[str, str], sender: str
) -> None:
    environment["MAIL_FROM"] = sender
    assert read_settings(environment).mail.sender == sender


def test_mail_comes_from_the_contact_unless_told_otherwise(environment: dict[str, str]) -> None:
    assert read_settings(environment).mail.sender == environment["CONTACT_EMAIL"]


def test_a_wrong_contact_is_named_once(environment: dict[str, str]) -> None:
    environment["CONTACT_EMAIL"] = "nobody"
    [problem] = problems(environment)
    assert problem.startswith("CONTACT_EMAIL")


@pytest.mark.parametrize("key", ["sk_live_1", "rk_live_1"])
@pytest.mark.parametrize("stand_in", ["TUPPENCE_LOCAL", "TUPPENCE_CLOCK_FILE"])
def test_a_live_key_never_meets_a_stand_in(
    environment: dict[str, str], key: str, stand_in: str
) -> None:
    environment.update(STRIPE_API_KEY=key, BASE_URL="https://support.example.org")
    del environment["TUPPENCE_LOCAL"], environment["TUPPENCE_CLOCK_FILE"]
    assert read_settings(environment).stripe.live
    environment[stand_in] = "1"
    [problem] = problems(environment)
    assert "live key" in problem


def test_money_is_not_taken_over_plain_http(environment: dict[str, str]) -> None:
    del environment["TUPPENCE_LOCAL"]
    [problem] = problems(environment)
    assert "https://" in problem


def test_secrets_do_not_show_when_settings_are_printed(environment: dict[str, str]) -> None:
    shown = repr(read_settings(environment))
    for name in ("SECRET_KEY", "ENCRYPTION_KEYS", "DIGEST_KEY", "STRIPE_API_KEY"):
        assert environment[name] not in shown
    assert "whsec_" not in shown


def test_the_doctor_says_what_to_do_about_each_fault(
    runtime: Runtime, environment: dict[str, str]
) -> None:
    environment.update(
        STRIPE_WEBHOOK_SECRET="",
        REDIS_URL="redis://127.0.0.1:9",
        STRIPE_API_BASE="http://127.0.0.1:9",
    )
    result = CliRunner().invoke(main, ["doctor"], env=environment)
    assert result.exit_code == 1
    ill = {line.split(":")[0].split()[-1] for line in result.output.splitlines() if "MEND" in line}
    assert ill == {"Redis", "Stripe", "webhooks", "mail"}
    assert "/stripe/webhook" in result.output
    assert "well      database" in result.output


def test_the_doctor_says_in_which_currency_the_goal_is(
    runtime: Runtime, environment: dict[str, str]
) -> None:
    environment.update(CURRENCIES="jpy,usd,eur", MONTHLY_GOAL="1500000")
    said = CliRunner().invoke(main, ["doctor"], env=environment).output
    [line] = [line for line in said.splitlines() if line.startswith("to know   goal:")]
    assert "MONTHLY_GOAL is read as ¥1,500,000 in JPY, the first of CURRENCIES." in line
    assert "Gifts in USD and EUR count towards it only when" in line
    environment.update(CURRENCIES="eur")
    assert "well      goal" in CliRunner().invoke(main, ["doctor"], env=environment).output


def test_the_doctor_finds_stripe_well_when_it_is(
    runtime: Runtime, stripe: StandIn, environment: dict[str, str]
) -> None:
    result = CliRunner().invoke(main, ["doctor"], env=environment)
    for about in ("settings", "database", "tables", "Redis", "Stripe", "webhooks", "templates"):
        assert f"well      {about}" in result.output, result.output


def test_the_doctor_advises_on_passkeys(
    runtime: Runtime, stripe: StandIn, app: Flask, environment: dict[str, str]
) -> None:
    def said() -> str:
        return CliRunner().invoke(main, ["doctor"], env=environment).output

    assert "to know   staff access: no administrator has a passkey yet" in said()
    client = app.test_client()
    staff_client(client, runtime, Role.DESK, "Dan")
    assert "no administrator has a passkey yet" in said()
    staff_client(client, runtime)
    assert "no administrator has a second passkey" in said()
    options = client.post("/staff/passkeys/options").get_json()
    client.post("/staff/passkeys", data={"answer": Authenticator().create(options)})
    assert "well      staff access" in said()
    environment["BASE_URL"] = "https://203.0.113.7"
    assert "TO MEND   staff access: browsers make no passkeys for https://203.0.113.7." in said()


def test_the_doctor_explains_missing_settings_instead_of_failing() -> None:
    empty = dict.fromkeys([*REQUIRED, "TUPPENCE_LOCAL", "TUPPENCE_CLOCK_FILE"], "")
    result = CliRunner().invoke(main, ["doctor"], env=empty)
    assert result.exit_code == 1
    assert result.output.count("TO MEND   settings:") == len(REQUIRED)


def test_the_keys_it_makes_are_keys_it_takes(environment: dict[str, str]) -> None:
    made = CliRunner().invoke(main, ["keys"]).output.splitlines()
    environment.update(line.split("=", 1) for line in made if not line.startswith("#"))
    assert read_settings(environment)


def test_clocks_that_can_be_moved_move_together(tmp_path: Path) -> None:
    one, other = FileClock(tmp_path / "clock"), FileClock(tmp_path / "clock")
    before = other.now()
    one.advance(timedelta(days=31))
    assert timedelta(days=31) <= other.now() - before < timedelta(days=31, minutes=1)
    assert SystemClock().now().tzinfo is UTC
    fixed = FixedClock(datetime(2027, 1, 1, tzinfo=UTC))
    fixed.advance(timedelta(days=1))
    assert fixed.now() == datetime(2027, 1, 2, tzinfo=UTC)
