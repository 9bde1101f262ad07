"""What can go wrong with a charge."""


class ChargeNotFoundError(LookupError):
    """No charge has this id."""


class AttemptNotFoundError(LookupError):
    """No attempt has this id."""


class NotKnownYetError(LookupError):
    """Stripe tells of a charge that bears our mark and whose payment is not recorded yet.

    Its event is tried again later: the news of the payment itself is on its way.
    """


class RefundRefusedError(Exception):
    """Money cannot be given back as asked; `str(error)` tells staff why, in a sentence."""


class WarningNotFoundError(LookupError):
    """No fraud warning has this id."""


class WarningDecidedError(Exception):
    """It was decided already what becomes of a fraud warning."""


class PaymentUnderWayError(Exception):
    """A payment of this pledge is due or being made at this moment; nothing was changed."""


class OfflineGiftError(Exception):
    """An offline gift cannot be entered or taken back; `str(error)` tells staff why."""


class LetterRefusedError(Exception):
    """A letter cannot be sent as asked; `str(error)` tells staff why, in a sentence."""
