"""Numbers that are names, and numbers like them that are amounts."""

import pytest

from dia.text.english.normalization import spoken_form

FLIGHTS = {
    "Flight BA117 is late.": "Flight BA one seventeen is late.",
    "Flight BA2490": "Flight BA twenty-four ninety",
    "BA2490 is late.": "BA twenty-four ninety is late.",
    "Flights AA12 and UA 1234": "Flights AA twelve and UA twelve thirty-four",
    "Flight U21234": "Flight U two twelve thirty-four",
    "Flight Q400": "Flight Q four hundred",
    "FY2024, AD1905": "FY twenty twenty-four, AD nineteen oh five",
    "a flight of 2490 birds": "a flight of two thousand four hundred ninety birds",
}

HYPHENS = {
    "They have a 15-2-1 record.": "They have a fifteen, two, one record.",
    "68-70-69-71": "sixty-eight, seventy, sixty-nine, seventy-one",
    "a 30-60-90 day plan": "a thirty, sixty, ninety day plan",
    "100-200-300": "one hundred, two hundred, three hundred",
    "555-123-4567": "five five five, one two three, four five six seven",
    "123-45-6789": "one two three, four five, six seven eight nine",
    "sort code 12-34-56": "sort code one two, three four, five six",
    "Dial 12-34-56-78.": "Dial one two, three four, five six, seven eight.",
    "INV-2024-001": "INV twenty twenty-four zero zero one",
    "PO-2024-118": "PO twenty twenty-four one eighteen",
    "AUG-10-12": "AUG ten to twelve",
    "Case No. 19-1392": "Case Number nineteen thirteen ninety-two",
    "Pick a number 10-999.": "Pick a number ten to nine hundred ninety-nine.",
    "Nos. 5-7": "Numbers five to seven",
}


@pytest.mark.parametrize(("written", "said"), [pair for table in (FLIGHTS, HYPHENS) for pair in table.items()])
def test_names_of_figures_are_not_amounts(written, said):
    assert spoken_form(written) == said
    assert spoken_form(said) == said
