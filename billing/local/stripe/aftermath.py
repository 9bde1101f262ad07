"""What some test cards do after a payment that succeeded."""

from billing.local.stripe import disputing
from billing.local.stripe.cards import TestCard
from billing.local.stripe.store import Obj
from billing.local.stripe.work import Work


def follow(work: Work, charge: Obj, card: TestCard) -> None:
    """Open the dispute, the inquiry or the warning that the card stands for."""
    if card.dispute == "warning":
        disputing.warn(work, charge)
    elif card.dispute == "inquiry":
        disputing.open_dispute(work, charge, "fraudulent", inquiry=True)
    elif card.dispute is not None:
        disputing.open_dispute(work, charge, card.dispute)
