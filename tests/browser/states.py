"""Every page of Tuppence and of its stand-ins, in every state: how to bring a browser there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.browser.traces import Traces, heal, strike
from tests.support.browser import DECLINED_CARD, SECURE_CARD, Person

Way = Callable[[Person, Traces], None]


@dataclass(frozen=True)
class State:
    """A page in one state, known by its status, and by some element where that says too little."""

    name: str
    way: Way = field(repr=False)
    status: int = 200
    shows: str = "h1"

    def __str__(self) -> str:
        return self.name


def at(path: str) -> Way:
    """A page that has an address of its own."""
    return lambda visitor, _: visitor.open(path)


def thanks(outcome: str) -> Way:
    """What a reader who comes back is told."""
    return lambda visitor, traces: visitor.open(
        f"/thanks/{traces.thanks[outcome]}?lang={visitor.language}"
    )


def back(visitor: Person, traces: Traces) -> None:
    visitor.open(f"/support/back/{traces.thanks['not_paid']}?lang={visitor.language}")


def sent(path: str, values: dict[str, str], form: str = "main form") -> Way:
    """A form filled in and sent."""

    def go(visitor: Person, _: Traces) -> None:
        visitor.open(path)
        for name, value in values.items():
            visitor.page.locator(f"{form} [name={name}]").fill(value)
        visitor.send(form)

    return go


def stale(path: str, form: str = "main form") -> Way:
    """A form sent by a browser that keeps no cookies."""

    def go(visitor: Person, _: Traces) -> None:
        visitor.open(path)
        visitor.context.clear_cookies(name="tuppence")
        visitor.send(form)

    return go


def other_currency(visitor: Person, _: Traces) -> None:
    visitor.open("/support")
    visitor.page.locator("#currency").select_option("eur")
    visitor.send("form.support")


def sent_again(visitor: Person, traces: Traces) -> None:
    visitor.open("/support?amount=7.50")
    key = visitor.page.locator("[name=form_key]")
    key.evaluate("(field, old) => { field.value = old }", traces.form_key[visitor.language])
    visitor.send("form.support")


def stripe_away(visitor: Person, _: Traces) -> None:
    visitor.open("/support?amount=9")
    strike(visitor.newsroom, method="POST", path="/v1/checkout/sessions")
    visitor.send("form.support")
    heal(visitor.newsroom)


def thanks_unknown(visitor: Person, traces: Traces) -> None:
    strike(visitor.newsroom, method="GET", path="/v1/checkout/sessions/*")
    visitor.open(f"/thanks/{traces.thanks['not_paid']}?lang={visitor.language}")
    heal(visitor.newsroom)


def too_much(visitor: Person, _: Traces) -> None:
    visitor.open("/remind")
    visitor.page.locator("#remind-email").fill("x" * 70_000)
    visitor.send()


def too_many(visitor: Person, _: Traces) -> None:
    """In an hour that has taken all its reminders."""
    count_up = (
        "INSERT INTO reminder_hours (hour, asked, turned_away)"
        " SELECT generate_series(date_trunc('hour', now()), now() + interval '1 year', '1 hour'),"
        " 1000000, 0 ON CONFLICT (hour) DO UPDATE SET asked = 1000000"
    )
    visitor.newsroom.sql(count_up)
    sent("/remind", {"email": "late@example.org"})(visitor, _)
    visitor.newsroom.sql("TRUNCATE reminder_hours")


def broken(visitor: Person, _: Traces) -> None:
    """With a fault of our own: a table that is not where it should be."""
    visitor.newsroom.sql("ALTER TABLE reminder_hours RENAME TO mislaid")
    sent("/remind", {"email": "asks@example.org"})(visitor, _)
    visitor.newsroom.sql("ALTER TABLE mislaid RENAME TO reminder_hours")
    visitor.newsroom.forgive("UndefinedTable")


def unsubscribe(visitor: Person, traces: Traces) -> None:
    visitor.page.goto(f"{traces.unsubscribe}?lang={visitor.language}")


def unsubscribed(visitor: Person, traces: Traces) -> None:
    unsubscribe(visitor, traces)
    visitor.send()


def cancel(visitor: Person, traces: Traces) -> None:
    visitor.page.goto(f"{traces.cancel[visitor.language]}?lang={visitor.language}")


def cancelled(visitor: Person, traces: Traces) -> None:
    cancel(visitor, traces)
    visitor.send()


def unanswered(visitor: Person, traces: Traces) -> None:
    cancel(visitor, traces)
    visitor.send()


def answered(visitor: Person, traces: Traces) -> None:
    cancel(visitor, traces)
    visitor.page.locator("[name=answer]").first.check()
    visitor.send()


def manage(path: str = "") -> Way:
    """A page of the pledge that is changed."""

    def go(visitor: Person, traces: Traces) -> None:
        address = f"{traces.manage[visitor.language]}{path}"
        visitor.page.goto(f"{address}{'&' if '?' in path else '?'}lang={visitor.language}")

    return go


def agreed(path: str) -> Way:
    """A change asked for and agreed to."""

    def go(visitor: Person, traces: Traces) -> None:
        manage(path)(visitor, traces)
        visitor.send()

    return go


def stale_change(visitor: Person, traces: Traces) -> None:
    manage("/skip")(visitor, traces)
    visitor.context.clear_cookies(name="tuppence")
    visitor.send()


def paid_ahead(visitor: Person, traces: Traces) -> None:
    agreed("/ahead")(visitor, traces)
    visitor.pay(email=f"changes-{visitor.language}@example.org")


def checkout(visitor: Person, _: Traces) -> None:
    visitor.open("/support")
    visitor.give("12", "annual")


def checkout_once(visitor: Person, _: Traces) -> None:
    visitor.open("/support")
    visitor.give("12", "once")


def checkout_declined(visitor: Person, traces: Traces) -> None:
    checkout(visitor, traces)
    visitor.pay(DECLINED_CARD)


def secure(visitor: Person, traces: Traces) -> None:
    checkout(visitor, traces)
    visitor.pay(SECURE_CARD)


def paid_checkout(visitor: Person, traces: Traces) -> None:
    visitor.page.goto(traces.paid_checkout)


def expired_checkout(visitor: Person, traces: Traces) -> None:
    visitor.page.goto(traces.expired_checkout)


def reminder_unfolded(visitor: Person, _: Traces) -> None:
    visitor.open("/demo/article")
    visitor.page.locator(".tup-later summary").click()


def elsewhere(visitor: Person, _: Traces) -> None:
    visitor.open("/demo/elsewhere")
    visitor.page.locator(".tup-appeal").wait_for()
    visitor.page.locator(".tup-banner").wait_for()


def receipt(visitor: Person, traces: Traces) -> None:
    visitor.page.goto(traces.receipt)


def receipt_mail(visitor: Person, traces: Traces) -> None:
    """The mail by itself: where it lies nothing may run, not even a check."""
    visitor.page.goto("about:blank")
    visitor.page.set_content(visitor.context.request.get(f"{traces.receipt}/html").text())


def stand_in(path: str) -> Way:
    return lambda visitor, _: visitor.page.goto(f"{visitor.newsroom.stripe}{path}") and None


def mailbox(visitor: Person, _: Traces) -> None:
    visitor.page.goto(visitor.newsroom.mail)


def empty_mailbox(visitor: Person, traces: Traces) -> None:
    mailbox(visitor, traces)
    visitor.send("form[action='/clear']")


def moved_clock(visitor: Person, _: Traces) -> None:
    visitor.move_clock("hour")


READER = [
    State("front", at("/")),
    State("demo", at("/demo/")),
    State("article", at("/demo/article")),
    State("article-reminder", reminder_unfolded),
    State("elsewhere", elsewhere),
    State("support", at("/support")),
    State("support-once", at("/support?cadence=once")),
    State("support-annual", at("/support?cadence=annual&cover_fee=1")),
    State("support-euro", at("/support?currency=eur")),
    State("support-yen", at("/support?currency=jpy&amount=1234")),
    State("support-too-little", sent("/support", {"amount": "0,50"}, "form.support"), 422),
    State(
        "support-two-errors",
        sent("/support?cadence=weekly", {"amount": "1,234"}, "form.support"),
        422,
    ),
    State("support-other-currency", other_currency, shows=".notice"),
    State("support-stale", stale("/support", "form.support"), 400),
    State("support-sent-again", sent_again, 409),
    State("support-stripe-away", stripe_away, 503),
    State("back", back, shows=".notice"),
    *[
        State(f"thanks-{outcome.replace('_', '-')}", thanks(outcome))
        for outcome in ("paid", "processing", "declined", "failed", "not_paid", "expired")
    ],
    State("thanks-unknown", thanks_unknown),
    State("remind", at("/remind")),
    State("remind-empty", sent("/remind", {"email": ""}), 422),
    State("remind-wrong", sent("/remind", {"email": "not an address"}), 422),
    State("remind-stale", stale("/remind"), 400),
    State("remind-too-many", too_many, 429, shows=".notice"),
    State("remind-asked", sent("/remind", {"email": "asks@example.org"})),
    State("unsubscribe", unsubscribe),
    State("unsubscribed", unsubscribed),
    State("unsubscribe-broken", at("/remind/unsubscribe/broken"), 404),
    State("cancel", cancel),
    State("cancelled", cancelled),
    State("cancelled-before", cancel),
    State("cancelled-unanswered", unanswered, 422, shows=".field-error"),
    State("cancelled-answered", answered),
    State("pledge", manage()),
    State("pledge-pause", manage("/pause")),
    State("pledge-pause-wrong", manage("/pause?until=2020-01-01"), 422),
    State("pledge-pause-asked", manage("/pause?months=3")),
    State("pledge-paused", agreed("/pause?months=3"), shows=".notice--good"),
    State("pledge-resume", manage("/resume")),
    State("pledge-resumed", agreed("/resume"), shows=".notice--good"),
    State("pledge-skip", manage("/skip")),
    State("pledge-skip-stale", stale_change, 400, shows=".notice"),
    State("pledge-change", manage("/change")),
    State("pledge-change-wrong", manage("/change?amount=x"), 422, shows=".field-error"),
    State("pledge-change-asked", manage("/change?amount=90&cadence=annual&cover_fee=1")),
    State("pledge-changed", agreed("/change?amount=9&cadence=monthly"), shows=".notice--good"),
    State("pledge-ahead", manage("/ahead")),
    State("pledge-ahead-paid", paid_ahead),
    State("pledge-after-ahead", manage()),
    State("broken-link", at("/pledges/broken/cancel"), 404),
    State("privacy", at("/privacy")),
    State("no-such-page", at("/nowhere"), 404),
    State("wrong-way", at("/stripe/webhook"), 405),
    State("too-much", too_much, 413),
    State("our-fault", broken, 500),
    State("checkout", checkout),
    State("checkout-once", checkout_once),
    State("checkout-declined", checkout_declined, 402),
    State("checkout-secure", secure),
    State("checkout-unknown", stand_in("/c/pay/nothing"), 404),
]
"""In the order of the story: what one does, the next may show."""

HOUSE = [
    State("checkout-done", paid_checkout),
    State("checkout-expired", expired_checkout),
    State("receipt", receipt),
    State("receipt-mail", receipt_mail),
    State("clock", at("/local/clock")),
    State("clock-moved", moved_clock),
    State("mailbox", mailbox),
    State("mailbox-empty", empty_mailbox),
    State("stand-in", stand_in("/")),
]
"""Pages that speak one language: that of the payment they belong to, or that of whoever runs it."""
