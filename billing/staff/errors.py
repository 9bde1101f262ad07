"""What can go wrong when staff sign in and look after each other's access."""


class SignInError(Exception):
    """This link signs nobody in."""


class LinkUnknownError(SignInError):
    """Nobody was given this link, or whoever was works here no longer."""


class LinkUsedError(SignInError):
    """The link has been used, and not by this browser just now."""


class LinkUsedHereError(LinkUsedError):
    """The link was used by this very browser a moment ago: a second click."""


class LinkExpiredError(SignInError):
    """The link is too old, or a newer one has taken its place."""


class PasskeyError(Exception):
    """A passkey's answer that is not taken; `str(error)` tells staff why, in a sentence."""


class StaffError(ValueError):
    """A change to somebody's access that can't be made; `str(error)` says why."""


class StaffNameError(StaffError):
    """A name that is empty, too long or taken, or of someone who works here no longer."""


class LastAdminError(StaffError):
    """Nobody would be left who can sign in and look after everybody's access."""
