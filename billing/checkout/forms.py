"""The support form: how it is read from a request, judged, and kept when something is wrong."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from billing.checkout.domain import OFFERS, AmountError, AmountProblem, Offer, read_amount
from billing.checkout.referrers import Referrer
from billing.db import Json
from billing.money import Money, exponent, scale
from billing.pledges.domain import Cadence

SOURCE_FIELDS = ("article", "campaign", "appeal", "variant", "referrer")
_SOURCE_LENGTH = 200
_NOT_IN_SOURCE = re.compile(r"[^\w./~-]+")
_FORM_KEY = re.compile(r"[\w-]{16,64}", re.ASCII)


class Field(StrEnum):
    """The fields that something can be wrong with; the name is the field's id on the page."""

    CADENCE = "cadence"
    CURRENCY = "currency"
    AMOUNT = "amount"
    FORM = "form"


@dataclass(frozen=True)
class Problem:
    """What is wrong with which field; `amount` says more where it is the amount."""

    field: Field
    amount: AmountProblem | None = None


@dataclass(frozen=True, kw_only=True)
class SupportForm:
    """The support form as it was filled in; nothing in it is checked yet."""

    form_key: str
    cadence: str
    currency: str
    shown_currency: str
    """The currency in which the page showed its suggestions."""
    picked: dict[Cadence, str]
    """The suggestion picked for each cadence: an amount as written, or nothing."""
    amount: str
    """The free field: where something is written in it, that counts and no suggestion does."""
    cover_fee: bool
    source: Json

    @property
    def written_amount(self) -> str:
        """The amount that counts: what was written, else the suggestion of this cadence."""
        picked = next((pick for name, pick in self.picked.items() if name == self.cadence), "")
        return self.amount if self.amount.strip() else picked

    @property
    def changes_currency(self) -> bool:
        """Whether another currency was chosen than the one the sums were shown in."""
        return self.currency in OFFERS and self.shown_currency not in {"", self.currency}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A form in which everything is in order."""

    cadence: Cadence
    amount: Money
    offer: Offer


def new_form_key() -> str:
    """A random name for one form: whoever sends it twice means one payment."""
    return secrets.token_urlsafe(24)


def read_form(fields: Mapping[str, str], *, default_currency: str) -> SupportForm:
    """The form as it came with a request, by GET (to fill it in before) or POST."""
    form_key = fields.get("form_key", "")
    return SupportForm(
        form_key=form_key if _FORM_KEY.fullmatch(form_key) else "",
        cadence=fields.get("cadence", "").strip().lower(),
        currency=fields.get("currency", default_currency).strip().lower(),
        shown_currency=fields.get("shown_currency", "").strip().lower(),
        picked={name: fields.get(f"pick_{name}", "").strip()[:64] for name in Cadence},
        amount=fields.get("amount", ""),
        cover_fee=fields.get("cover_fee", "") in {"1", "on", "yes"},
        source=read_source(fields),
    )


def read_source(fields: Mapping[str, str]) -> Json:
    """Where a reader came from: short names and paths, never anything about the person."""
    source = {}
    for name in SOURCE_FIELDS:
        value = fields.get(name, "").split("?")[0].split("#")[0]
        if "@" in value:
            continue  # An address would be personal data.
        value = _NOT_IN_SOURCE.sub("-", value[: 2 * _SOURCE_LENGTH]).strip("-")[:_SOURCE_LENGTH]
        if value and (name != "referrer" or value in set(Referrer)):
            source[name] = value
    return source


def renewed(form: SupportForm) -> SupportForm:
    """The same choices on a new form."""
    return replace(form, form_key=new_form_key())


def judge(form: SupportForm, currencies: tuple[str, ...]) -> Wish | list[Problem]:
    """What the reader wishes for, or everything that is wrong with the form."""
    problems = []
    if not form.form_key:
        problems.append(Problem(Field.FORM))
    if form.cadence not in set(Cadence):
        problems.append(Problem(Field.CADENCE))
    if form.currency not in currencies:
        return [*problems, Problem(Field.CURRENCY)]
    offer = OFFERS[form.currency]
    try:
        amount = read_amount(form.written_amount, offer)
    except AmountError as error:
        return [*problems, Problem(Field.AMOUNT, error.problem)]
    return problems or Wish(cadence=Cadence(form.cadence), amount=amount, offer=offer)


def complete(form: SupportForm, currencies: tuple[str, ...]) -> SupportForm:
    """The form as it is shown: gaps filled with what most readers choose, input kept."""
    currency = form.currency if form.currency in currencies else currencies[0]
    form = replace(form, cadence=form.cadence or Cadence.MONTHLY)
    offer = OFFERS[currency]
    picked = {name: _shown_pick(form, name, offer) for name in Cadence}
    suggested = any(name == form.cadence and pick for name, pick in picked.items())
    return replace(
        form,
        form_key=form.form_key or new_form_key(),
        currency=currency,
        picked=picked,
        amount="" if suggested else form.written_amount,
    )


def suggestions(offer: Offer, cadence: Cadence) -> list[Money]:
    """The sums suggested for a cadence."""
    sums = offer.suggested_annual if cadence is Cadence.ANNUAL else offer.suggested
    return [Money(minor, offer.currency) for minor in sums]


def as_written(amount: Money) -> str:
    """A sum as it is written into an amount field: `5`, `7.50`."""
    whole, rest = divmod(amount.minor, scale(amount.currency))
    return f"{whole}.{rest:0{exponent(amount.currency)}d}" if rest else str(whole)


def _shown_pick(form: SupportForm, cadence: Cadence, offer: Offer) -> str:
    """The suggestion that is marked; none for the chosen cadence where another sum was written."""
    values = [as_written(amount) for amount in suggestions(offer, cadence)]
    picked = form.picked.get(cadence, "")
    if form.cadence != cadence:
        return picked if picked in values else values[0]
    written = form.written_amount.strip()
    if written in values:
        return written
    stale = not form.amount.strip() and form.changes_currency
    return values[0] if not written or stale else ""
