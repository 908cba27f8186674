"""Written text and its spoken form."""

import time

import pytest
from hypothesis import given
from random_scripts import anything, steady

from dia.text.english.normalization import spoken_form
from dia.text.english.numbers import cardinals
from dia.text.english.numbers.cardinals import amount, cardinal, digits, ordinal, year

NUMBERS = {
    "0": "zero",
    "42": "forty-two",
    "101": "one hundred one",
    "1,234": "one thousand two hundred thirty-four",
    "1 000 000": "one million",
    "3.14": "three point one four",
    ".5": "point five",
    "1.50": "one point five zero",
    "-5": "minus five",
    "007": "zero zero seven",
    "12345678901": "one two three four five six seven eight nine zero one",
    "version 1.2.3": "version one point two point three",
    "1st, 2nd, 23rd, 100th": "first, second, twenty-third, one hundredth",
    "1/2, 3/4, 2/3": "one half, three quarters, two thirds",
    "2½ and 1 1/4": "two and a half and one and a quarter",
    "1/2 an hour, ½ a mile, ½ andante": "half an hour, half a mile, one half andante",
    "24/7, 50/50": "twenty-four seven, fifty fifty",
    "5-10, 5–10, 5 - 10": "five to ten, five to ten, five to ten",
    "16:9": "sixteen to nine",
    "MP3, H100, 1.6B, 3D": "MP three, H one hundred, one point six B, three D",
    "2x, 1920x1080": "two times, nineteen twenty by ten eighty",
    "10^6, x²": "ten to the power of six, x squared",
    "a 5-year-old, COVID-19": "a five-year-old, COVID nineteen",
    "2*3=6": "two times three equals six",
    "call 555-1234": "call five five five, one two three four",
    "+1 (555) 123-4567": "plus one, five five five, one two three, four five six seven",
    "+44 20 7946 0958": "plus four four, two zero, seven nine four six, zero nine five eight",
}
MONEY = {
    "$5": "five dollars",
    "$1": "one dollar",
    "$1,234.56": "one thousand two hundred thirty-four dollars and fifty-six cents",
    "$0.99": "ninety-nine cents",
    "$1.01": "one dollar and one cent",
    "$1.5 million, $5k": "one point five million dollars, five thousand dollars",
    "-$5": "minus five dollars",
    "$5-$10": "five dollars to ten dollars",
    "$20/month": "twenty dollars per month",
    "US$5": "five US dollars",
    "£3.50": "three pounds and fifty pence",
    "5€, € 5, 5 EUR": "five euros, five euros, five euros",
    "¥500": "five hundred yen",
    "99¢": "ninety-nine cents",
}
MEASURES = {
    "5%, 2.5 %": "five percent, two point five percent",
    "5-10%": "five to ten percent",
    "1 km, 5 km, 10kg": "one kilometer, five kilometers, ten kilograms",
    "5 km/h": "five kilometers per hour",
    "60 mph": "sixty miles per hour",
    "5 m², 2 m^3": "five square meters, two cubic meters",
    "20°C, 70 °F, 90°": "twenty degrees Celsius, seventy degrees Fahrenheit, ninety degrees",
    "3 µs": "three microseconds",
    "16 GB": "sixteen gigabytes",
    "6'2\" tall": "six feet two inches tall",
}
TIMES = {
    "3:30": "three thirty",
    "3:05": "three oh five",
    "3:00": "three o'clock",
    "15:00": "fifteen hundred",
    "0:00": "midnight",
    "3:30 p.m. sharp": "three thirty PM sharp",
    "3pm": "three PM",
    "at 3 p.m. Then": "at three PM. Then",
    "1:23:45": "one hour twenty-three minutes forty-five seconds",
    "at 1:23:45": "at one twenty-three and forty-five seconds",
    "9:00: Registration. 10:30: Coffee.": "nine o'clock: Registration. ten thirty: Coffee.",
    "2024-05-17 10:30:00: go, 3:1: won": "May seventeenth, twenty twenty-four, ten thirty: go, three to one: won",
    "in 1984, 1905, 2000, 2005": "in nineteen eighty-four, nineteen oh five, two thousand, two thousand five",
    "in 2024": "in twenty twenty-four",
    "the 1980s, the '90s": "the nineteen eighties, the nineties",
    "May 17, 2024": "May seventeenth, twenty twenty-four",
    "Sept. 11": "September eleventh",
    "Jan 3rd": "January third",
    "17 May 2024": "the seventeenth of May, twenty twenty-four",
    "the 5th of May": "the fifth of May",
    "2024-05-17": "May seventeenth, twenty twenty-four",
    "5/17/2024": "May seventeenth, twenty twenty-four",
    "17.05.2024": "May seventeenth, twenty twenty-four",
    "1990-95": "nineteen ninety to ninety-five",
}
ABBREVIATIONS = {
    "Dr. Lee": "Doctor Lee",
    "Mr. and Mrs. Jones": "Mister and Missus Jones",
    "Ms. Lee vs. Prof. Smith": "Ms Lee versus Professor Smith",
    "Main St. near St. Louis": "Main Street near Saint Louis",
    "e.g. this, i.e. that": "for example this, that is that",
    "tea, etc. Then": "tea, et cetera. Then",
    "tea, etc., and": "tea, et cetera, and",
    "tea, etc.": "tea, et cetera.",
    "the U.S. Army": "the U S Army",
    "in D.C.": "in D C.",
    "No. 5 on p. 12": "Number five on page twelve",
    "No. I said no.": "No. I said no.",
    "w/o and w/ milk, and/or tea": "without and with milk, and or tea",
}
SYMBOLS = {
    "AT&T": "AT and T",
    "a + b = c": "a plus b equals c",
    "C++": "C plus plus",
    "me @ home": "me at home",
    "#1 #winning": "number one hashtag winning",
    "**bold** and _this_": "bold and this",
    "see https://www.example.com/a-b, or": "see example dot com slash a dash b, or",
    "jo.doe@example.co.uk.": "jo dot doe at example dot co dot U K.",
    "Nice :) day": "Nice day",
}
PUNCTUATION = {
    "Well—I don't know": "Well, I don't know",
    "Wait -- what - now?": "Wait, what, now?",
    "But I—": "But I...",
    "So…  yes . . no": "So... yes... no",
    "“Hm,” he said , ’twas": '"Hm," he said, \'twas',
    "He (my friend) said (no).": "He, my friend, said, no.",
    "a  b\n\tc": "a b c",
    "Really?!": "Really?!",
    "": "",
}
MARKS = {
    "[S1] Hi 5. [S2] Yo. [pause:700ms]": "[S1] Hi five. [S2] Yo. [pause:700ms]",
    "Ha(laughs)ha": "Ha (laughs) ha",
    "( Clears  Throat ) So": "(clears throat) So",
    "Well (giggles), yes": "Well (laughs), yes",
}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        pair
        for table in (NUMBERS, MONEY, MEASURES, TIMES, ABBREVIATIONS, SYMBOLS, PUNCTUATION, MARKS)
        for pair in table.items()
    ],
)
def test_written_text_becomes_spoken_text(written, said):
    assert spoken_form(written) == said
    assert spoken_form(said) == said


@steady
@given(anything)
def test_spoken_form_is_idempotent(text):
    try:
        said = spoken_form(text)
    except ValueError:
        return  # letters of other scripts and control characters, see test_characters
    assert spoken_form(said) == said
    assert said.isascii()
    assert said == " ".join(said.split())


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (999, "nine hundred ninety-nine"),
        (1100, "eleven hundred"),
        (1901, "nineteen oh one"),
        (1999, "nineteen ninety-nine"),
        (2009, "two thousand nine"),
        (2010, "twenty ten"),
        (2100, "two thousand one hundred"),
    ],
)
def test_years_are_spoken_in_pairs_of_digits_where_usual(number, words):
    assert year(number) == words


def test_numbers_alone():
    assert cardinal(1_000_001) == "one million one"
    assert ordinal(121) == "one hundred twenty-first"
    assert digits("(02) 3") == "zero two three"
    assert amount("1,000.05") == "one thousand point zero five"


def test_num2words_is_not_imported_before_it_is_needed():
    assert not hasattr(cardinals, "num2words")


@pytest.mark.parametrize(
    "unit",
    [
        *("9", "1,", "1-", "1/", ",123", "(a", "Aa", "a.", "a@", "http://", "$1", "[S", "May 1 ", "1h", "1 000", "m/"),
        *(
            "II, ",
            "x^",
            "1:",
            "#aA",
            "call 911 ",
            "1d1h1m1s",
            "km/",
            "11.11.1111",
            "aπ ",
            "abc Я ",
            "\u2070",
            "1'",
            "+1 ",
        ),
    ],
)
def test_long_runs_take_linear_time(unit):
    """With quadratic patterns, each of these would take hours."""
    assert spoken_form(unit * (20_000 // len(unit)))


@pytest.mark.parametrize(
    ("given", "error"), [(None, TypeError), (b"a", TypeError), ("\0", ValueError), ("я", ValueError)]
)
def test_text_that_cannot_be_spoken_is_rejected(given, error):
    with pytest.raises(error, match="text"):
        spoken_form(given)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It was fun (really!).", "It was fun, really!"),
        ("He left (at 5 p.m.). She did not.", "He left, at five PM. She did not."),
        ("It was (wow!) good. (Really!) Yes (no!)... ok", "It was, wow, good. Really! Yes, no!... ok"),
        ("Call (now!).x today.", "Call, now!.x today."),
    ],
)
def test_a_stop_before_a_parenthesis_ends_the_sentence_alone(written, spoken):
    assert spoken_form(written) == spoken


@pytest.mark.parametrize("stop", ["?", "!", ".", "?) "])
def test_a_run_of_stops_takes_linear_time(stop):
    started = time.process_time()
    spoken_form("Hello" + stop * (100_000 // len(stop)))
    assert time.process_time() - started < 4
