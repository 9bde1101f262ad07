"""What stands on the payer's bank statement.

Source: https://docs.stripe.com/get-started/account/statement-descriptors
"""

import re

from billing.local.stripe.errors import invalid_request
from billing.local.stripe.params import Params
from billing.local.stripe.work import Work

MIN_LENGTH, MAX_LENGTH = 5, 22
_FORBIDDEN = re.compile(r"[<>\\'\"*]")


def check_descriptors(work: Work, params: Params) -> None:
    """Cards take a suffix only; prefix, `* ` and suffix together have 5 to 22 Latin characters."""
    if params.get("statement_descriptor"):
        raise invalid_request(
            "The `statement_descriptor` parameter is not supported for the `card` payment method "
            "type. Use `statement_descriptor_suffix` instead.",
            param="statement_descriptor",
        )
    suffix = params.get("statement_descriptor_suffix")
    if not suffix:
        return
    param = "statement_descriptor_suffix"
    if not suffix.isascii() or not suffix.isprintable() or _FORBIDDEN.search(suffix):
        raise invalid_request(
            "The statement descriptor suffix can only contain Latin characters and none of "
            "these: < > \\ ' \" *",
            param=param,
        )
    if not any(letter.isalpha() for letter in suffix):
        raise invalid_request(
            "The statement descriptor suffix must contain at least one letter.", param=param
        )
    complete = f"{work.account.statement_descriptor}* {suffix}"
    if not MIN_LENGTH <= len(complete) <= MAX_LENGTH:
        raise invalid_request(
            f"The statement descriptor suffix, together with the prefix "
            f"{work.account.statement_descriptor} and '* ', must be {MIN_LENGTH} to {MAX_LENGTH} "
            "characters long.",
            param=param,
        )
