"""What can go wrong with a pledge."""


class PledgeNotFoundError(LookupError):
    """No pledge has this id."""


class NotPossibleError(Exception):
    """A pledge in this state cannot be changed in this way; nothing was changed."""


class DoneAlreadyError(Exception):
    """This very change was made a moment ago: the button was pressed twice."""


class ChangedMeanwhileError(Exception):
    """The pledge is not any more what its supporter was shown; nothing was changed."""
