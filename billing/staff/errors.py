"""What can go wrong when staff sign in."""


class SignInError(Exception):
    """This link signs nobody in."""


class LinkUnknownError(SignInError):
    """Nobody was given this link, or whoever was works here no longer."""


class LinkUsedError(SignInError):
    """The link has signed someone in already."""


class LinkExpiredError(SignInError):
    """The link is too old."""


class StaffNameError(ValueError):
    """A name that is empty or too long, or of someone who works here no longer."""
