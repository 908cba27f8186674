"""Numbers and signs: the table of readings, the kinds that people reported, and the numbers of each kind."""

import sys
from pathlib import Path

import pytest

from dia.text import parse
from dia.text.english.normalization import spoken_form
from dia.text.english.numbers import figures
from dia.text.english.numbers.cardinals import code, early_year, written_ordinal
from dia.text.english.numbers.roman import value

BENCHMARKS = Path(__file__).parents[4] / "benchmarks" / "quality"
REPORTED = {  # shared cases T33 to T47
    "10 - 7 = 3": "ten minus seven equals three",
    "An i7-9700K and model 5-120.": "An i seven ninety-seven hundred K and model five one twenty.",
    "It costs A$10 or C$5.": "It costs ten Australian dollars or five Canadian dollars.",
    "It costs ₹1,00,000.": "It costs one hundred thousand rupees.",
    "It is 25˚C here.": "It is twenty-five degrees Celsius here.",
    "I like .NET and a .gitignore file, and C#.": "I like dot NET and a dot gitignore file, and C sharp.",
    "World War II and Henry VIII, Chapter IV.": "World War two and Henry the eighth, Chapter four.",
    "At 2024-05-17T10:30:00Z.": "At May seventeenth, twenty twenty-four, ten thirty UTC.",
    "It took 1h 30m, or 2h15m.": "It took one hour thirty minutes, or two hours fifteen minutes.",
    "The value of π is 3.14.": "The value of pi is three point one four.",
}
RANGES = {
    "pp. 10-12, 2019-2021": "pages ten to twelve, twenty nineteen to twenty twenty-one",
    "We won 3-2.": "We won three to two.",
    "The score was 21 - 14.": "The score was twenty-one to fourteen.",
    "8-3=5, 20 - 5, 10 -5": "eight minus three equals five, twenty minus five, ten minus five",
    "a Boeing 747-400, an F-16": "a Boeing seven forty-seven four hundred, an F sixteen",
    "$20–30, $5m-$10m": "twenty to thirty dollars, five million dollars to ten million dollars",
    "9am-5pm, 9:00-17:00": "nine AM to five PM, nine o'clock to seventeen hundred",
    "20–25°C, 1/2-1/3, 3-1/2": "twenty to twenty-five degrees Celsius, one half to one third, three and a half",
    "May 3-7, 10-12 June": "May third to seventh, the tenth to the twelfth of June",
    "the 1960s-80s, the 2004-05 season": "the nineteen sixties to eighties, the two thousand four to oh five season",
}
ROMAN = {
    "Louis XIV's, Pope John Paul II": "Louis the fourteenth's, Pope John Paul the second",
    "King George V, Elizabeth I.": "King George the fifth, Elizabeth the first.",
    "Davis Love III won, Hank Williams III and Marvin J. Bagley II": (
        "Davis Love the third won, Hank Williams the third and Marvin J Bagley the second"
    ),
    "Iron Man III, Harry Potter III, Will Rocky II": "Iron Man three, Harry Potter three, Will Rocky two",
    "Super Bowl XLVII, Rocky III": "Super Bowl forty-seven, Rocky three",
    "the XXI century, MCMXCIX": "the twenty-first century, nineteen ninety-nine",
    "Chapters IV and V; Part I of II": "Chapters four and five; Part one of two",
    "I, Mix, CD, MD, DVI, XL, LCD, CIVIC": "I, Mix, CD, MD, DVI, XL, LCD, CIVIC",
    "an IV, Malcolm X, the X axis, Henry and I went": "an IV, Malcolm X, the X axis, Henry and I went",
    "Elizabeth I think; the part I played": "Elizabeth I think; the part I played",
}
MONEY = {
    "US$5, HK$1, NZ$2.50": "five US dollars, one Hong Kong dollar, two New Zealand dollars and fifty cents",
    "€1.234,56, 3,50 €, 1.000 €": "one thousand two hundred thirty-four euros and fifty-six cents, "
    "three euros and fifty cents, one thousand euros",
    "10 000 €, CHF 1'000": "ten thousand euros, one thousand Swiss francs",
    "CHF 5, 5 kr, R$20": "five Swiss francs, five kroner, twenty Brazilian reais",
    "₹12,34,567, ₹5 lakh": "one million two hundred thirty-four thousand five hundred sixty-seven rupees, "
    "five lakh rupees",
    "$1.5M, $3bn, £2.50": "one point five million dollars, three billion dollars, two pounds and fifty pence",
    "a $5 ticket, a $3bn deal": "a five dollar ticket, a three billion dollar deal",
    "$5/hr, 5€/m²": "five dollars per hour, five euros per square meter",
    "Z$5": "Z five dollars",
}
TIMES = {
    "12.5.2024, 12/5/2024, 2024/05/12": "May twelfth, twenty twenty-four, December fifth, twenty twenty-four, "
    "May twelfth, twenty twenty-four",
    "17-May-2024, JAN 15 2020, 17 may 2010": "the seventeenth of May, twenty twenty-four, January fifteenth, "
    "twenty twenty, the seventeenth of May, twenty ten",
    "2024-05-17T08:05:30+02:00": "May seventeenth, twenty twenty-four, eight oh five and thirty seconds UTC plus two",
    "3:05 PM EST, 18:00, 10.30am": "three oh five PM EST, eighteen hundred, ten thirty AM",
    "0800 hours, at 1430 hours, 1250 hours": "oh eight hundred hours, at fourteen thirty hours, "
    "one thousand two hundred fifty hours",
    "1:30:00, 1h 5m 10s, 3d 4h": "one hour thirty minutes, one hour five minutes ten seconds, three days four hours",
    "wait 90s, the 90s, the '90s": "wait ninety seconds, the nineties, the nineties",
    "in 1984, 1984 people, 44 BC, 476 AD": "in nineteen eighty-four, one thousand nine hundred eighty-four people, "
    "forty-four BC, four seventy-six AD",
    "in 1066, by 6/30, on 9/11": "in ten sixty-six, by June thirtieth, on nine eleven",
}
CODES = {
    "Call 911! Dial 999 or 112.": "Call nine one one! Dial nine nine nine or one one two.",
    "911 people, 112 guests, a 911 call": "nine hundred eleven people, one hundred twelve guests, a nine one one call",
    "room 204, Flight 370, a Porsche 911": "room two oh four, Flight three seventy, a Porsche nine eleven",
    "ISBN 978-3-16-148410-0": "ISBN nine seven eight, three, one six, one four eight four one zero, zero",
    "Troy, NY 12180, ZIP code 90210": "Troy, New York one two one eight zero, ZIP code nine zero two one zero",
    "07700 900123": "zero seven seven zero zero, nine zero zero one two three",
    "192.168.0.1, v2.10.3": "one nine two dot one six eight dot zero dot one, version two point ten point three",
    "Node.js, report.pdf, main.py": "Node dot JS, report dot PDF, main dot py",
    "F#, C++, ASP.NET, #BlackLivesMatter": "F sharp, C plus plus, ASP dot NET, hashtag Black Lives Matter",
    "H2O, CO2, 401k, 1080p": "H two O, C O two, four oh one k, ten eighty p",
    "Psalm 23:1, 16:9": "Psalm twenty-three one, sixteen to nine",
}
SCIENCE = {
    "5 kg/m³, 9.8 m/s², 90 mg/dL": "five kilograms per cubic meter, nine point eight meters per second squared, "
    "ninety milligrams per deciliter",
    "3 μm, 5 GB/s, 12 kWh, 10 kΩ": "three micrometers, five gigabytes per second, twelve kilowatt hours, ten kilohms",
    "25ºC, −5 °C, 300 K": "twenty-five degrees Celsius, minus five degrees Celsius, three hundred kelvin",
    "40°26′46″N, 74.5° W": "forty degrees twenty-six minutes forty-six seconds north, "
    "seventy-four point five degrees west",
    "a 5 km run, a 5-km run": "a five kilometer run, a five kilometer run",
    "10⁻³, 2^n, 3×10⁸ m/s": "ten to the power of minus three, two to the power of n, "
    "three times ten to the power of eight meters per second",
    "7 × 8 = 56, 12 x 12 = 144, 3 x 5": "seven times eight equals fifty-six, "
    "twelve times twelve equals one hundred forty-four, three by five",
    "x ≤ 5, √16, 5‰, ±5": "x is at most five, the square root of sixteen, five per mille, plus or minus five",
    "2.5x faster, 5M people, 7B parameters": "two point five times faster, five million people, "
    "seven billion parameters",
    "1/2 lb, 3/4 km, 4 1/2 lbs": "half a pound, three quarters of a kilometer, four and a half pounds",
    "120/80, 12/4 = 3, 24/7, rated 9/10": "one hundred twenty over eighty, twelve divided by four equals three, "
    "twenty-four seven, rated nine out of ten",
    "Δt, 2πr, β-carotene, 5 Ω, Ω": "delta t, two pi r, beta-carotene, five ohms, omega",
    "a few km, in kg/m³, per m²": "a few kilometers, in kilograms per cubic meter, per square meter",
}


@pytest.fixture(scope="module")
def reading():
    sys.path.insert(0, str(BENCHMARKS))
    from tables import numbers

    yield numbers
    sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize(
    ("written", "said"),
    [pair for table in (REPORTED, RANGES, ROMAN, MONEY, TIMES, CODES, SCIENCE) for pair in table.items()],
)
def test_numbers_and_signs_are_read_by_kind(written, said):
    assert spoken_form(written) == said
    assert spoken_form(said) == said
    assert parse(written).turns[0].text == said


@pytest.mark.parametrize(("held_out", "least"), [(False, 0.99), (True, 0.98)])
def test_the_table_of_readings_is_read_rightly(reading, held_out, least):
    table = [row for row in reading.rows() if row.held_out is held_out]
    assert len(table) >= 250
    wrong = {row.written: said for row in table if not reading.is_right(row, said := spoken_form(row.written))}
    assert len(wrong) <= (1 - least) * len(table), wrong


def test_every_reading_of_the_table_is_in_spoken_form(reading):
    readings = [reading_ for row in reading.rows() for reading_ in row.readings]
    assert not [said for said in readings if any(character.isdigit() for character in said)]
    assert not [said for said in readings if reading.words(spoken_form(said)) != reading.words(said)]


def test_case_punctuation_and_the_word_and_do_not_count_for_a_reading(reading):
    assert reading.words("One hundred and one, at 3 P M.") == reading.words("one-hundred one at 3 PM")
    assert reading.words("C O two") == reading.words("CO two") != reading.words("C two")


@pytest.mark.parametrize(
    ("numeral", "number"),
    [("I", 1), ("IV", 4), ("XIV", 14), ("XLVII", 47), ("MCMXCIX", 1999), ("IIX", None), ("VV", None)],
)
def test_a_roman_numeral_has_a_value(numeral, number):
    assert value(numeral) == number


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("747", "seven forty-seven"),
        ("9700", "ninety-seven hundred"),
        ("204", "two oh four"),
        ("400", "four hundred"),
        ("9001", "nine thousand one"),
        ("007", "zero zero seven"),
        ("12345", "one two three four five"),
    ],
)
def test_the_digits_of_a_code_are_read_in_pairs(written, said):
    assert code(written) == said


def test_years_before_1100_are_read_in_pairs_if_they_are_certainly_years():
    assert [early_year(number) for number in (476, 1066, 1000, 1984)] == [
        "four seventy-six",
        "ten sixty-six",
        "one thousand",
        "nineteen eighty-four",
    ]
    assert written_ordinal("1,000") == "one thousandth"


def test_words_far_from_a_figure_are_not_searched():
    text = "one " * 50 + "5 km " + "two " * 50 + "6"
    (first, second) = figures._stretches(text)
    assert text[slice(*first)].split().index("5") == figures._BEFORE
    assert text[slice(*second)].endswith("6")
    assert figures.in_words(text) == text.replace("5 km", "five kilometers").replace("6", "six")


def test_words_of_another_script_are_reported_with_their_reading():
    (warning,) = parse("[S1] He said Привет to me.").warnings[:1]
    assert "Привет (read as Privet)" in warning
    assert parse("[S1] The value of π is 3.").warnings == ()
