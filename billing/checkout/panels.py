"""What the support page and the appeal show for each cadence, with what reaches the newsroom."""

from __future__ import annotations

from dataclasses import dataclass

from billing.checkout.domain import (
    AmountError,
    Offer,
    fee_cover_for,
    fee_cover_terms,
    fee_on,
    read_amount,
)
from billing.checkout.forms import SupportForm, as_written, suggestions
from billing.money import Money
from billing.pledges.domain import Cadence


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """One suggested sum."""

    value: str
    amount: Money
    reaches: Money
    """What is left of it after the card fee."""
    cover: Money
    """What a reader adds so that all of `amount` arrives."""
    picked: bool


@dataclass(frozen=True, kw_only=True)
class Panel:
    """The sums suggested for one cadence."""

    cadence: Cadence
    chosen: bool
    suggestions: tuple[Suggestion, ...]


@dataclass(frozen=True, kw_only=True)
class FeeExample:
    """What fees take of a sum, plainly."""

    amount: Money
    fee: Money

    @property
    def share(self) -> float:
        """The part of the amount that the fee takes."""
        return self.fee.minor / self.amount.minor


@dataclass(frozen=True, kw_only=True)
class OwnAmount:
    """What covering the fee adds to an amount of the reader's own."""

    share: float
    """About so much of the amount, as a share of 1."""
    fixed: Money
    """And this beside it."""
    amount: Money | None
    """The amount that stands in the free field, where it can be read."""
    cover: Money | None
    """What exactly it adds to that amount."""


def panels(form: SupportForm, offer: Offer) -> list[Panel]:
    """One panel a cadence, as chosen in a completed form."""
    return [
        Panel(
            cadence=cadence,
            chosen=form.cadence == cadence,
            suggestions=tuple(
                _suggestion(amount, offer, form.picked[cadence])
                for amount in suggestions(offer, cadence)
            ),
        )
        for cadence in Cadence
    ]


def fee_examples(offer: Offer) -> tuple[FeeExample, FeeExample]:
    """The smallest monthly sum, and the same money given once a year."""
    monthly = Money(offer.minimum, offer.currency)
    annual = Money(12 * offer.minimum, offer.currency)
    return (
        FeeExample(amount=monthly, fee=fee_on(monthly, offer)),
        FeeExample(amount=annual, fee=fee_on(annual, offer)),
    )


def own_amount(form: SupportForm, offer: Offer) -> OwnAmount:
    """What the fee option costs with a free amount, whether or not one is written yet."""
    share, fixed = fee_cover_terms(offer)
    try:
        amount = read_amount(form.amount, offer)
    except AmountError:
        amount = None
    cover = fee_cover_for(amount, offer) if amount else None
    return OwnAmount(share=float(share), fixed=fixed, amount=amount, cover=cover)


def _suggestion(amount: Money, offer: Offer, picked: str) -> Suggestion:
    value = as_written(amount)
    return Suggestion(
        value=value,
        amount=amount,
        reaches=amount - fee_on(amount, offer),
        cover=fee_cover_for(amount, offer),
        picked=picked == value,
    )
