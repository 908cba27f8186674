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

IDENTIFIERS = {
    "Your verification code is 482913.": "Your verification code is four eight two nine one three.",
    "Your account number is 12345678.": "Your account number is one two three four five six seven eight.",
    "Enter code 4829. Your code: 4821.": "Enter code four eight two nine. Your code: four eight two one.",
    "confirmation number 884213": "confirmation number eight eight four two one three",
    "My order 4567890 is late.": "My order four five six seven eight nine zero is late.",
    "Ticket #48213": "Ticket number four eight two one three",
    "Text 741741.": "Text seven four one seven four one.",
    "PMID 12345678": "PMID one two three four five six seven eight",
    "Passport no. X1234567": "Passport no. X one two three four five six seven",
    "a card ending in 4821": "a card ending in four eight two one",
    "Reference: 553201": "Reference: five five three two zero one",
    "Form 1040, tax form 8949": "Form ten forty, tax form eighty-nine forty-nine",
    "Form 1000 teams.": "Form one thousand teams.",
    "order 500 units, order 12345 bottles": "order five hundred units, order twelve thousand three hundred forty-five "
    "bottles",
    "We order 12345 a year.": "We order twelve thousand three hundred forty-five a year.",
    "the code has 2000 lines": "the code has two thousand lines",
    "the code is 50000 lines long": "the code is fifty thousand lines long",
    "a number of 20000 people": "a number of twenty thousand people",
    "customer number 10000 won": "customer number ten thousand won",
    "Text 10000 people.": "Text ten thousand people.",
    "in case 12345 people come": "in case twelve thousand three hundred forty-five people come",
    "a decade ending in 1990": "a decade ending in nineteen ninety",
}

TELEPHONES = {
    "Call 555 123 4567.": "Call five five five, one two three, four five six seven.",
    "1 800 555 1234": "one, eight zero zero, five five five, one two three four",
    "+49 30 123456": "plus four nine, three zero, one two three four five six",
    "+65 12345678": "plus six five, one two three four five six seven eight",
    "(02) 9876 5432": "zero two, nine eight seven six, five four three two",
    "1300 655 506": "one three zero zero, six five five, five zero six",
    "Call 13 11 14.": "Call one three, one one, one four.",
    "Call our 1-800 number.": "Call our one eight hundred number.",
    "911, what's your emergency?": "nine one one, what's your emergency?",
    "911! Come quickly!": "nine one one! Come quickly!",
    "pages 1-800": "pages one to eight hundred",
    "the numbers 100 200 3000": "the numbers one hundred two hundred three thousand",
    "He called 300 4000 times.": "He called three hundred four thousand times.",
    "13 11 14": "thirteen eleven fourteen",
    "+10 000 000 people": "plus ten million people",
    "It was 911, not 912.": "It was nine hundred eleven, not nine hundred twelve.",
}

ADDRESSES = {
    "Visit amazon.ca.": "Visit amazon dot C A.",
    "foo@bar.ca, foo@uni.ac.at": "foo at bar dot C A, foo at uni dot ac dot at",
    "discord.gg/x, youtu.be/x": "discord dot G G slash x, youtu dot be slash x",
    "google.com.au, stuff.co.nz": "google dot com dot A U, stuff dot co dot N Z",
    "192.168.1.1:8080": "one nine two dot one six eight dot one dot one colon eighty eighty",
    "localhost:3000": "localhost colon three thousand",
    "IMG_1234.JPG": "IMG twelve thirty-four dot JPG",
    "#2024goals, #100daysofcode": "hashtag twenty twenty-four goals, hashtag one hundred daysofcode",
    "It ended.in the end": "It ended.in the end",
    "1.2.3.4: 30 users": "one dot two dot three dot four: thirty users",
    "THE END.GO HOME": "THE END.GO HOME",
    "#3rd, #123abc, apt #7a": "number third, number one hundred twenty-three abc, apt number seven a",
}


@pytest.mark.parametrize(
    ("written", "said"),
    [pair for table in (FLIGHTS, HYPHENS, IDENTIFIERS, TELEPHONES, ADDRESSES) for pair in table.items()],
)
def test_names_of_figures_are_not_amounts(written, said):
    assert spoken_form(written) == said
    assert spoken_form(said) == said
