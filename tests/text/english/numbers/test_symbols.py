"""Arrows, hearts, keys of telephones and grades; the same signs in sums and comparisons."""

import pytest

from dia.text.english.normalization import spoken_form

ARROWS = {
    "Settings -> General -> About.": "Settings to General to About.",
    "Go to Settings->General.": "Go to Settings to General.",
    "A => B": "A to B",
    "x --> y": "x to y",
    "Paris <-> London": "Paris to London",
    "b <- a": "b from a",
    "from 5 -> 3 points": "from five to three points",
    "-> Next": "Next",
    "Click here ->.": "Click here.",
    "5 > 3, x < 3, a >= b": "five greater than three, x is less than three, a is at least b",
    "x<-5, x < -5": "x less than minus five, x is less than minus five",
    "a <= b, x>=5": "a is at most b, x is at least five",
    "File > Save": "File, Save",
    "He said -- and I agree -- no.": "He said, and I agree, no.",
}
TOLERANCES = {
    "about 30 people, +/- 5.": "about thirty people, plus or minus five.",
    "The error is +/-0.5 mm.": "The error is plus or minus zero point five millimeters.",
    "5+/-1": "five plus or minus one",
    "C+/C-": "C plus slash C-",
}
HEARTS = {
    "I love you <3": "I love you",
    "Thanks so much <333": "Thanks so much",
    "Miss you <3 See you soon.": "Miss you. See you soon.",
    "Good night! <3": "Good night!",
    "I <3 NY.": "I love NY.",
    "if a <3 then": "if a less than three then",
    "I love kids <3 years old.": "I love kids less than three years old.",
    "The best score is <3.": "The best score is less than three.",
    "You need a value <3.": "You need a value less than three.",
}

KEYS = {
    "Press # to confirm or * to cancel.": "Press pound to confirm or star to cancel.",
    "the # key, followed by the * sign": "the pound key, followed by the star sign",
    "Dial *67.": "Dial star sixty-seven.",
    "Dial *123#.": "Dial star one hundred twenty-three pound.",
    "Press #1 for sales.": "Press number one for sales.",
    "Press 5 * 3.": "Press five times three.",
    "We hit the road. * * * He left.": "We hit the road. He left.",
    "Enter your name (* required).": "Enter your name, required.",
}
GRADES = {
    "She got a B- in maths.": "She got a B minus in maths.",
    "an A-, B+ and C-": "an A minus, B plus and C minus",
    "from B- to A+": "from B minus to A plus",
    "an O- donor, type A- blood": "an O minus donor, type A minus blood",
    "an A- or B-list actor": "an A- or B-list actor",
    "an A- and a B-side": "an A- and a B-side",
    "I want a B- a bandage.": "I want a B- a bandage.",
    "a B-movie": "a B-movie",
    "Vitamin C - the best": "Vitamin C, the best",
}


@pytest.mark.parametrize(
    ("written", "said"), [pair for table in (ARROWS, TOLERANCES, HEARTS, KEYS, GRADES) for pair in table.items()]
)
def test_signs_are_read_by_what_stands_around_them(written, said):
    assert spoken_form(written) == said
    assert spoken_form(said) == said
