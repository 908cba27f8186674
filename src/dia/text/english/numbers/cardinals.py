"""Numbers as English words: cardinals, ordinals, digits, decimals, years, and the pairs of digits in names of models.

Reads numbers as in American English: 101 has no "and".
"""

from functools import lru_cache

_LONGEST = 15  # digits read as one number; num2words supports more, but listeners cannot follow
_LONGEST_BARE = 9  # digits without separators; longer ones are identifiers, read digit by digit


@lru_cache(maxsize=4096)
def cardinal(number: int) -> str:
    """1234 → one thousand two hundred thirty-four."""
    from num2words import num2words  # imported here because it loads all its languages

    return str(num2words(number)).replace(",", "").replace(" and ", " ")


@lru_cache(maxsize=4096)
def ordinal(number: int) -> str:
    """23 → twenty-third."""
    from num2words import num2words

    return str(num2words(number, to="ordinal")).replace(",", "").replace(" and ", " ")


def written_ordinal(written: str) -> str:
    """1,000 → one thousandth; longer than 15 digits, digit by digit."""
    figures = written.replace(",", "")
    return ordinal(int(figures)) if len(figures) <= _LONGEST else digits(figures)


def digits(written: str) -> str:
    """007 → zero zero seven; other characters are ignored."""
    return " ".join(cardinal(int(digit)) for digit in written if digit.isdigit())


def amount(written: str) -> str:
    """1,234.50 → one thousand two hundred thirty-four point five zero."""
    whole, _, fraction = written.replace(",", "").partition(".")
    long = len(whole) > (_LONGEST if "," in written else _LONGEST_BARE)
    leading_zero = len(whole) > 1 and whole[0] == "0"
    words = digits(whole) if long or leading_zero else cardinal(int(whole or "0"))
    return f"{words} point {digits(fraction)}" if fraction else words


def is_long(whole: str) -> bool:
    """Whether a whole number has too many digits to be read as one number."""
    return len(whole) > _LONGEST


def year(number: int) -> str:
    """1905 → nineteen oh five, 2000 → two thousand, 2024 → twenty twenty-four."""
    century, rest = divmod(number, 100)
    if not 1100 <= number <= 2099 or (century == 20 and rest < 10):
        return cardinal(number)
    return _in_pairs(century, rest)


def early_year(number: int) -> str:
    """A number that is certainly a year: also 1066 → ten sixty-six and 476 → four seventy-six."""
    century, rest = divmod(number, 100)
    if not 100 <= number <= 1099 or not rest or (century == 10 and rest < 10):
        return year(number)
    return _in_pairs(century, rest)


def code(written: str) -> str:
    """The digits of a model or room: 747 → seven forty-seven, 9700 → ninety-seven hundred, 204 → two oh four."""
    if written[0] == "0" or len(written) > 4:
        return digits(written)
    century, rest = divmod(int(written), 100)
    if not century or (century % 10 == 0 and rest < 10):
        return cardinal(int(written))
    return _in_pairs(century, rest)


def _in_pairs(century: int, rest: int) -> str:
    if not rest:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {f'oh {cardinal(rest)}' if rest < 10 else cardinal(rest)}"


__all__ = ["amount", "cardinal", "code", "digits", "early_year", "is_long", "ordinal", "written_ordinal", "year"]
