"""What can go wrong with a supporter."""


class SupporterNotFoundError(LookupError):
    """No supporter has this id."""
