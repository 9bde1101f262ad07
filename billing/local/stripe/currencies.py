"""Sums: which currencies, their smallest charge, conversion and fees. All in minor units.

Sources: https://docs.stripe.com/currencies (list, minimums, zero-decimal) and
https://stripe.com/pricing (2.9 % + a fixed part). Rates are invented and fixed: a stand-in must
give the same books every time.
"""

from decimal import ROUND_HALF_UP, Decimal

from billing.local.stripe.errors import invalid_request

MAX_AMOUNT = 99_999_999
ZERO_DECIMAL = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
     "xof", "xpf")
)  # fmt: skip
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
WHOLE_UNITS_TIMES_100 = frozenset(("isk", "ugx"))

_ALL = """
aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd
cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel ghs gip gmd gnf
gtq gyd hkd hnl hrk htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp
lkr lrd lsl mad mdl mga mkd mmk mnt mop mro mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr
pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb
tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw
"""
CURRENCIES = frozenset(_ALL.split())
MINIMUMS = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500,
    "dkk": 250, "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000,
    "myr": 200, "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
_UNITS_PER_DOLLAR = {
    "usd": "1", "eur": "0.9", "gbp": "0.8", "chf": "0.9", "cad": "1.35", "aud": "1.5",
    "nzd": "1.65", "jpy": "150", "sek": "10.5", "nok": "10.8", "dkk": "6.9", "pln": "4",
    "czk": "23", "huf": "360", "ron": "4.5", "bgn": "1.8", "mxn": "18", "brl": "5.5",
    "inr": "84", "sgd": "1.35", "hkd": "7.8",
    "thb": "34", "krw": "1350", "try": "34", "uah": "41", "gel": "2.7", "amd": "390", "kzt": "480",
    "isk": "140", "ils": "3.7", "aed": "3.67", "myr": "4.5", "rub": "90", "byn": "3.3",
    "kwd": "0.31", "bhd": "0.376", "jod": "0.71", "omr": "0.385", "tnd": "3.1", "ugx": "3700",
    "vnd": "25000", "clp": "950", "idr": "16000", "php": "57", "zar": "18", "twd": "32",
}  # fmt: skip
_FIXED_FEES = {
    "usd": 30, "cad": 30, "aud": 30, "nzd": 30, "eur": 25, "gbp": 20, "chf": 30, "jpy": 40,
    "sek": 180, "nok": 200, "dkk": 180, "pln": 100, "czk": 650, "mxn": 300, "sgd": 50, "hkd": 235,
}  # fmt: skip
_PERCENT = Decimal("0.029")
DISPUTE_FEE_USD = 1500


def check_currency(currency: str, param: str = "currency") -> str:
    """The currency in lower case, or an error naming the parameter."""
    lowered = currency.lower()
    if lowered not in CURRENCIES:
        raise invalid_request(
            f"Invalid currency: {lowered}. Stripe currently supports these currencies: "
            f"{', '.join(sorted(CURRENCIES))}",
            param=param,
        )
    return lowered


def check_amount(amount: int, currency: str, param: str = "amount") -> int:
    """The amount, if Stripe would charge it."""
    if amount < 1:
        raise invalid_request(
            "This value must be greater than or equal to 1.",
            param=param,
            code="parameter_invalid_integer",
        )
    if amount > MAX_AMOUNT:
        raise invalid_request(
            f"Amount must be no more than {shown(MAX_AMOUNT, currency)}",
            param=param,
            code="amount_too_large",
        )
    if (currency in THREE_DECIMAL and amount % 10) or (
        currency in WHOLE_UNITS_TIMES_100 and amount % 100
    ):
        raise invalid_request(
            f"Invalid amount for {currency}: the last digits must be zero.", param=param
        )
    minimum = minimum_charge(currency)
    if amount < minimum:
        raise invalid_request(
            f"Amount must be at least {shown(minimum, currency)}"
            + ("" if currency in MINIMUMS else " (the equivalent of 50 cents)"),
            param=param,
            code="amount_too_small",
        )
    return amount


def minimum_charge(currency: str) -> int:
    """Stripe's table, or half a dollar converted."""
    known = MINIMUMS.get(currency)
    return known if known is not None else convert(50, "usd", currency)


def exponent(currency: str) -> int:
    """Digits after the point in the amounts the API takes."""
    return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2


def shown(amount: int, currency: str) -> str:
    """`$5.00 usd`, as Stripe's messages show sums."""
    digits = exponent(currency)
    number = f"{Decimal(amount).scaleb(-digits):,.{digits}f}"
    return f"{_SIGNS.get(currency, '')}{number} {currency}"


def rate(source: str, target: str) -> Decimal:
    """Major units of `target` for one of `source`."""
    per_dollar = {c: Decimal(_UNITS_PER_DOLLAR.get(c, "10")) for c in (source, target)}
    return (per_dollar[target] / per_dollar[source]).quantize(Decimal("0.000001"))


def convert(amount: int, source: str, target: str) -> int:
    """Minor units to minor units, half away from zero."""
    if source == target:
        return amount
    major = Decimal(amount).scaleb(-exponent(source)) * rate(source, target)
    return int(major.scaleb(exponent(target)).quantize(Decimal(1), ROUND_HALF_UP))


def charge_fee(settled: int, currency: str) -> int:
    """2.9 % of what is settled plus the fixed part, in the settlement currency."""
    percent = (settled * _PERCENT).quantize(Decimal(1), ROUND_HALF_UP)
    return int(percent) + _FIXED_FEES.get(currency, convert(30, "usd", currency))


def dispute_fee(currency: str) -> int:
    """What a dispute costs, in the settlement currency."""
    return convert(DISPUTE_FEE_USD, "usd", currency)


_SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "cad": "$", "aud": "$"}
