"""What can go wrong with a pledge."""


class PledgeNotFoundError(LookupError):
    """No pledge has this id."""
