"""What happened with a supporter, in a journalist's words. Asks neither database nor clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from billing.db import Json
from billing.desk.names import (
    ATTEMPTS,
    CADENCES,
    CHANGES,
    DECISIONS,
    ENDS,
    MAIL_STATES,
    MAILS,
    METHODS,
    REFUNDS,
    REMINDERS,
    STAFF,
)
from billing.desk.timeline import Event
from billing.money import Money
from billing.pledges.domain import Cadence, EndReason
from billing.revenue.reasons import reason_in_words
from billing.staff.formats import Formats


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An event as it is read."""

    at: datetime
    title: str
    means: list[str]
    tone: str = ""
    """good, bad or nothing."""
    charge_id: int | None = None
    """The charge it is about, where something can be done about it."""
    refundable: bool = False
    receipt: bool = False
    reversible: bool = False
    """Whether it is an entry of ours that can be taken back."""


Unseal = Callable[[bytes], str]


class Words:
    """Puts events into words for one newsroom; `unseal` reads what is stored encrypted."""

    def __init__(self, formats: Formats, unseal: Unseal) -> None:
        self._formats = formats
        self._unseal = unseal
        self._by_kind: dict[str, Callable[[datetime, Json], Entry]] = {
            "pledge made": self._pledge_made,
            "checkout": self._checkout,
            "charge": self._charge,
            "attempt": self._attempt,
            "returned": self._returned,
            "offline gift": self._offline_gift,
            "offline reversed": self._offline_reversed,
            "refund": self._refund,
            "dispute": self._dispute,
            "dispute closed": self._dispute_closed,
            "warning": self._warning,
            "change": self._change,
            "movement": self._movement,
            "pledge ended": self._pledge_ended,
            "card": self._card,
            "mail": self._mail,
            "reminder": self._reminder,
            "staff": self._staff,
            "note": self._note,
        }

    def entry(self, event: Event) -> Entry:
        """One event, put into words."""
        return self._by_kind[event.what](event.at, event.facts)

    def _pledge_made(self, at: datetime, facts: Json) -> Entry:
        title = f"Pledge {facts['pledge']} was made: {self._rhythm(facts)}"
        return Entry(at=at, title=title, means=[])

    def _checkout(self, at: datetime, facts: Json) -> Entry:
        ahead = f", {facts['months']} months ahead" if facts["months"] > 1 else ""
        ends = {"expired": "Not paid: it ran out.", "open": "Still open.", "failed": "It failed."}
        means = [ends[facts["status"]]] if facts["status"] in ends else []
        title = f"Stripe’s page was opened for {self._sum(facts)}{ahead}"
        return Entry(at=at, title=title, means=[*means, *_id(facts)])

    def _charge(self, at: datetime, facts: Json) -> Entry:
        of = f" of pledge {facts['pledge']}" if facts["pledge"] else ""
        if facts["status"] == "cancelled":
            over = "Its month was over before it could be asked for." if facts["over"] else ""
            why = over or "Nobody was asked for it."
            title = f"{self._sum(facts)}{of} fell due and was let go"
            return Entry(at=at, title=title, means=[f"{why} Charge {facts['charge']}."])
        title = f"{self._sum(facts)}{of} is due"
        return Entry(at=at, title=title, means=[f"Charge {facts['charge']}."])

    def _attempt(self, at: datetime, facts: Json) -> Entry:
        what, charge = self._what(facts), f"Charge {facts['charge']}"
        if facts["number"] > 1:
            charge += f", attempt {facts['number']}"
        means = [f"{charge}.", *_id(facts, "stripe", "stripe_charge")]
        if facts["status"] == "succeeded":
            given = facts["refunded"]
            if given:
                back = self._money(given, facts)
                means.insert(0, f"{back} of it has been given back.")
            on = facts["paid"] and facts["last"]
            return Entry(
                at=at,
                title=f"{self._sum(facts)} paid{what}",
                means=means,
                tone="good",
                charge_id=facts["charge"],
                refundable=on and given < facts["minor"] and not facts["disputed"],
                receipt=on,
            )
        if facts["status"] in ATTEMPTS:
            name, why = ATTEMPTS[facts["status"]]
            return Entry(at=at, title=f"{name}: {self._sum(facts)}{what}", means=[why, *means])
        who = "Stripe would not take the request" if facts["status"] == "refused" else "Refused"
        why = reason_in_words(facts["reason"])
        return Entry(at=at, title=f"{who}: {self._sum(facts)}{what}", means=[why, *means],
                     tone="bad")  # fmt: skip

    def _returned(self, at: datetime, facts: Json) -> Entry:
        title = f"The bank took {self._sum(facts)} back after it was paid"
        why = reason_in_words(facts["reason"])
        return Entry(at=at, title=title, means=[why, f"Charge {facts['charge']}."], tone="bad")

    def _offline_gift(self, at: datetime, facts: Json) -> Entry:
        day = self._formats.day(date.fromisoformat(facts["day"]))
        entered = f"Entered by {facts['by']} as charge {facts['charge']}."
        means = [f"Reference {facts['reference']}, {day}. {entered}"]
        if facts["reversed"]:
            means.insert(0, "This entry was taken back.")
        return Entry(
            at=at,
            title=f"Gift of {self._sum(facts)} {METHODS[facts['method']]}",
            means=means,
            tone="" if facts["reversed"] else "good",
            charge_id=facts["charge"],
            receipt=not facts["reversed"],
            reversible=not facts["reversed"],
        )

    def _offline_reversed(self, at: datetime, facts: Json) -> Entry:
        title = f"The entry of {self._sum(facts)} was taken back"
        return Entry(at=at, title=title, means=[f"Charge {facts['charge']}."])

    def _refund(self, at: datetime, facts: Json) -> Entry:
        by = f"Asked for by {facts['by']}." if facts["by"] else "Begun on Stripe."
        state = REFUNDS[facts["status"]]
        bad = facts["status"] in ("failed", "refused")
        code = [f"Stripe gives “{facts['reason']}” as the reason."] if facts["reason"] else []
        return Entry(
            at=at,
            title=f"Refund of {self._sum(facts)}: {state}",
            means=[*code, f"{by} Refund {facts['refund']} of charge {facts['charge']}.",
                   *_id(facts)],
            tone="bad" if bad else "",
        )  # fmt: skip

    def _dispute(self, at: datetime, facts: Json) -> Entry:
        asks = facts["status"].startswith("warning")
        what = "The bank asks about" if asks else "The payer disputed"
        why = facts["reason"].replace("_", " ")
        title = f"{what} {self._sum(facts)}"
        means = [f"The bank’s reason: {why}. Charge {facts['charge']}.", *_id(facts)]
        return Entry(at=at, title=title, means=means, tone="bad")

    def _dispute_closed(self, at: datetime, facts: Json) -> Entry:
        status = facts["status"].removeprefix("warning_").replace("_", " ")
        tone = {"won": "good", "lost": "bad"}.get(status, "")
        title = f"The dispute about {self._sum(facts)} ended: {status}"
        return Entry(at=at, title=title, means=[f"Charge {facts['charge']}."], tone=tone)

    def _warning(self, at: datetime, facts: Json) -> Entry:
        means = DECISIONS[facts["decision"]]
        by = f" Decided by {facts['by']}." if facts["by"] else ""
        about = f"{means}{by} Fraud warning {facts['warning']} about charge {facts['charge']}."
        title = "The card’s network warned of fraud"
        return Entry(at=at, title=title, means=[about], tone="bad")

    def _change(self, at: datetime, facts: Json) -> Entry:
        pledge = f"Pledge {facts['pledge']}."
        if facts["kind"] == "paused":
            until = self._formats.day_of(datetime.fromisoformat(facts["until"]))
            return Entry(at=at, title=f"Paused until {until}", means=[pledge])
        if facts["kind"] == "prepaid":
            return Entry(at=at, title="Months were paid ahead", means=[pledge])
        if facts["kind"] in CHANGES:
            return Entry(at=at, title=CHANGES[facts["kind"]], means=[pledge])
        old = {**facts, "minor": facts["old_minor"], "cadence": facts["old_cadence"]}
        title = f"Changed from {self._rhythm(old)} to {self._rhythm(facts)}"
        return Entry(at=at, title=title, means=[pledge])

    def _movement(self, at: datetime, facts: Json) -> Entry:
        back = facts["kind"] == "reactivation"
        title = "Taken up again" if back else "Lapsed: the payment could not be recovered"
        means = [f"Pledge {facts['pledge']}."]
        return Entry(at=at, title=title, means=means, tone="good" if back else "bad")

    def _pledge_ended(self, at: datetime, facts: Json) -> Entry:
        means = [ENDS[EndReason(facts["reason"])]] if facts["reason"] else []
        return Entry(at=at, title=f"Pledge {facts['pledge']} ended", means=means)

    def _card(self, at: datetime, facts: Json) -> Entry:
        titles = {
            "saved": "Another card was saved",
            "open": "The page for another card was opened",
            "expired": "The page for another card ran out unused",
        }
        title = titles[facts["status"]]
        return Entry(at=at, title=title, means=[f"Pledge {facts['pledge']}.", *_id(facts)])

    def _mail(self, at: datetime, facts: Json) -> Entry:
        name = MAILS.get(facts["template"], facts["template"].replace("_", " "))
        about = facts["key"].split(":")
        means = [f"About {about[1]} {about[2]}."] if len(about) > 2 else []
        if facts["error"]:
            tries = "1 try" if facts["tries"] == 1 else f"{facts['tries']} tries"
            means.insert(0, f"It did not go out: “{facts['error']}” ({tries}).")
        return Entry(at=at, title=f"Email: {name}, {MAIL_STATES[facts['status']]}", means=means,
                     tone="bad" if facts["status"] == "failed" else "")  # fmt: skip

    def _reminder(self, at: datetime, facts: Json) -> Entry:
        due = self._formats.day_of(datetime.fromisoformat(facts["due"]))
        state = f"Reminder {facts['reminder']} {REMINDERS[facts['status']]}."
        return Entry(at=at, title=f"Asked to be reminded on {due}", means=[state])

    def _staff(self, at: datetime, facts: Json) -> Entry:
        who = facts["who"] or "The command line"
        done = STAFF.get(facts["action"], facts["action"].replace("_", " "))
        about = f"{facts['kind'].capitalize()} {facts['number']}."
        means = [f"“{facts['reason']}”"] if facts["reason"] else []
        return Entry(at=at, title=f"{who} {done}", means=[*means, about])

    def _note(self, at: datetime, facts: Json) -> Entry:
        sealed = facts["sealed"]
        kept = self._unseal(sealed.encode()) if sealed else "The note went with the address."
        return Entry(at=at, title=f"Note by {facts['who']}", means=[kept])

    def _what(self, facts: Json) -> str:
        if facts["pledge"] is None:
            return " as a gift"
        if facts["months"] > 1:
            return f" for {facts['months']} months of pledge {facts['pledge']}"
        return f" for pledge {facts['pledge']}" + (", first payment" if not facts["period"] else "")

    def _rhythm(self, facts: Json) -> str:
        return f"{self._sum(facts)} {CADENCES[Cadence(facts['cadence'])]}"

    def _sum(self, facts: Json) -> str:
        return self._money(facts["minor"], facts)

    def _money(self, minor: int, facts: Json) -> str:
        return self._formats.money(Money(minor, facts["currency"]))


def _id(facts: Json, *names: str) -> list[str]:
    """Stripe's ids, for whoever looks there."""
    known = [facts[name] for name in names or ("stripe",) if facts[name]]
    return [f"At Stripe: {', '.join(known)}"] if known else []
