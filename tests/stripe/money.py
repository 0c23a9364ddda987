"""Amounts in minor units: the least that Stripe takes, the most, and how a page writes them."""
from .errors import invalid

ZERO_DECIMAL = set("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
THREE_DECIMAL = set("bhd jod kwd omr tnd".split())
WHOLE_ONLY = {"isk", "ugx"}  # two decimals, which must be 00
LEAST = {"usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "aed": 200, "mxn": 1000, "huf": 17500, "pln": 200, "aud": 50, "cad": 50, "chf": 50,
         "brl": 50, "inr": 50, "nzd": 50, "sgd": 50, "hkd": 400, "dkk": 250, "nok": 300, "sek": 300, "czk": 1500, "ron": 200, "thb": 1000, "myr": 200}
MOST = 99_999_999


def check_amount(amount, currency, param="amount"):
    """An amount that can be charged."""
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", param, "parameter_invalid_integer")
    check_decimals(amount, currency, param)
    if amount < LEAST.get(currency, 1):
        raise invalid(f"The amount must be at least {written(LEAST[currency], currency)}.", param, "amount_too_small")
    if amount > MOST:
        raise invalid(f"The amount must be no more than {written(MOST, currency)}.", param, "amount_too_large")


def check_decimals(amount, currency, param="amount"):
    """An amount that can be written in its currency."""
    if currency in WHOLE_ONLY and amount % 100:
        raise invalid(f"Amounts in {currency} have no decimals: the last two digits must be 00.", param)
    if currency in THREE_DECIMAL and amount % 10:
        raise invalid(f"Amounts in {currency} end in 0.", param)


def written(amount, currency):
    """"20.00 USD"."""
    digits = 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2
    sign, amount = "-" if amount < 0 else "", abs(amount)
    whole, part = divmod(amount, 10 ** digits)
    return f"{sign}{whole:,}{f'.{part:0{digits}d}' if digits else ''} {currency.upper()}"
