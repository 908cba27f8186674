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


@pytest.mark.parametrize(("written", "said"), [pair for table in (FLIGHTS,) for pair in table.items()])
def test_names_of_figures_are_not_amounts(written, said):
    assert spoken_form(written) == said
    assert spoken_form(said) == said
