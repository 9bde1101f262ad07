"""What can go wrong at the desk."""


class DeskError(Exception):
    """Something that can't be done as asked; `str(error)` says why, in a sentence."""


class DeskFormError(DeskError):
    """A form that can't be taken as it was filled in; `str(error)` says what to change."""


class StalePageError(DeskError):
    """What the page showed is not so any more."""


class KeyUsedError(DeskError):
    """The page's key was used for something else: it was altered on its way."""
