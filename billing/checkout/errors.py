"""What can go wrong on the way to a payment."""

from billing.gateway import OutcomeUnknownError, RefusedError


class CheckoutNotFoundError(LookupError):
    """No checkout has this id."""


class CheckoutUnavailableError(Exception):
    """Stripe could not be reached or would not open a Checkout page; nothing was charged."""

    @property
    def answered(self) -> bool:
        """Whether Stripe gave an answer that it would give again under the same key."""
        cause = self.__cause__
        if isinstance(cause, OutcomeUnknownError):
            return cause.code != "no_answer"
        return isinstance(cause, RefusedError)


class StaleFormError(Exception):
    """The same form has been used up: its Checkout page has expired."""


class NothingDueError(Exception):
    """Nothing of this pledge is past due."""


class UnderWayError(Exception):
    """A payment for this pledge is being made at this moment."""


class PledgeEndedError(Exception):
    """Nothing is charged for this pledge any more."""
