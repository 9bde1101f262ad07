"""Reading an email address as its writer meant it, and the form under which it is looked up."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email

_MAX_WRITTEN = 254
"""The longest address that mail can be sent to. Source: RFC 5321 §4.5.3.1.3 less the brackets."""


class InvalidAddressError(ValueError):
    """What was written is not an email address that mail can be sent to."""


def read_address(written: str) -> str:
    """The address in its normal form: NFC, the domain in lower case, surrounding space removed.

    Internationalised addresses are taken. Whether the domain exists is not asked: that would tell
    the network who is reading.

    Raises:
        InvalidAddressError: with the reason in `str(error)`, in English, for the log only.
    """
    text = written.strip(" \t\u00a0\u200b\ufeff")
    if len(text) > _MAX_WRITTEN:
        raise InvalidAddressError("too long")
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise InvalidAddressError(type(error).__name__) from error


def lookup_form(address: str) -> str:
    """The form whose digest finds a supporter: people write their own address in any case."""
    return address.casefold()
