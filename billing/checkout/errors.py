"""What can go wrong on the way to a payment."""


class CheckoutNotFoundError(LookupError):
    """No checkout has this id."""


class CheckoutUnavailableError(Exception):
    """Stripe could not be reached or would not open a Checkout page; nothing was charged."""


class StaleFormError(Exception):
    """The same form has been used up: its Checkout page has expired."""


class NothingDueError(Exception):
    """Nothing of this pledge is past due."""


class UnderWayError(Exception):
    """A payment for this pledge is being made at this moment."""


class PledgeEndedError(Exception):
    """Nothing is charged for this pledge any more."""
