"""Test bank accounts: debits that settle later.

Sources: https://docs.stripe.com/payments/sepa-debit/accept-a-payment#test-integration,
https://docs.stripe.com/payments/ach-direct-debit/accept-a-payment#test-account-numbers.
"""

from dataclasses import dataclass
from typing import Literal

SOON, THREE_MINUTES, THREE_DAYS = 1, 180, 3 * 86_400


@dataclass(frozen=True)
class Settlement:
    """How a debit ends and after how many seconds. `code` is the failure code of the charge."""

    outcome: Literal["succeeded", "failed", "disputed"] = "succeeded"
    after: int = SOON
    code: str = "debit_not_authorized"


SLOW = Settlement(after=THREE_DAYS)
_FAILS = Settlement("failed", code="insufficient_funds")
_FAILS_LATE = Settlement("failed", THREE_MINUTES, "insufficient_funds")
_LATE = Settlement(after=THREE_MINUTES)
_DISPUTED = Settlement("disputed")

_IBANS = {
    "AT321904300235473204": _LATE,
    "AT861904300235473202": _FAILS,
    "AT051904300235473205": _FAILS_LATE,
    "AT591904300235473203": _DISPUTED,
    "BE68539007547034": _FAILS,
    "DE08370400440532013003": _LATE,
    "DE62370400440532013001": _FAILS,
    "DE78370400440532013004": _FAILS_LATE,
    "DE35370400440532013002": _DISPUTED,
    "ES9121000418450200051332": _FAILS,
    "FR3020041010050500013M02609": _LATE,
    "FR8420041010050500013M02607": _FAILS,
    "FR7920041010050500013M02600": _FAILS_LATE,
    "FR5720041010050500013M02608": _DISPUTED,
    "IE24AIBK93115212345671": _LATE,
    "IE02AIBK93115212345679": _FAILS,
    "IT60X0542811101000000123456": _FAILS,
    "NL91ABNA0417164300": _FAILS,
}
_US_ACCOUNTS = {
    "000111111113": Settlement("failed", code="account_closed"),
    "000111111116": Settlement("failed", code="no_account"),
    "000222222227": Settlement("failed", code="insufficient_funds"),
    "000333333335": Settlement("failed", code="debit_not_authorized"),
    "000444444440": Settlement("failed", code="invalid_currency"),
    "000555555559": _DISPUTED,
}
_BACS_ACCOUNTS = {
    "90012345": _LATE,
    "33333335": Settlement("failed", code="debit_not_authorized"),
    "22222227": Settlement("failed", code="insufficient_funds"),
}
_US_TOKENS = {
    "pm_usBankAccount": "000123456789",
    "pm_usBankAccount_success": "000123456789",
    "pm_usBankAccount_accountClosed": "000111111113",
    "pm_usBankAccount_noAccount": "000111111116",
    "pm_usBankAccount_insufficientFunds": "000222222227",
    "pm_usBankAccount_debitNotAuthorized": "000333333335",
    "pm_usBankAccount_invalidCurrency": "000444444440",
    "pm_usBankAccount_dispute": "000555555559",
}
MESSAGES = {
    "account_closed": "The customer's bank account has been closed.",
    "debit_not_authorized": "The customer has notified their bank that this payment was "
    "unauthorized.",
    "insufficient_funds": "The customer's account has insufficient funds to cover this payment.",
    "invalid_currency": "The bank was unable to process this payment because of its currency.",
    "no_account": "The customer's bank account could not be located.",
}


def settlement_of(kind: str, number: str) -> Settlement:
    """How a debit of this account ends; an account not in the tables succeeds."""
    tables = {"sepa_debit": _IBANS, "us_bank_account": _US_ACCOUNTS, "bacs_debit": _BACS_ACCOUNTS}
    return tables.get(kind, {}).get(number, Settlement())


def us_account_of(token: str) -> str | None:
    """The account number behind `pm_usBankAccount_success`."""
    return _US_TOKENS.get(token)


def is_iban(text: str) -> bool:
    """ISO 13616's check: moved, spelled in digits, the rest modulo 97 is 1."""
    if not (15 <= len(text) <= 34 and text.isalnum() and text[:2].isalpha()):
        return False
    moved = text[4:] + text[:4]
    return int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1
