"""Abbreviations in full, and the full stops after them: kept where a sentence ends, dropped elsewhere."""

import pytest

from dia.text.characters.edited import EditedText
from dia.text.english.abbreviations import expanded, expanded_in_place
from dia.text.english.normalization import spoken_form

TITLES = {
    "Mr. Smith and Mrs. Lee": "Mister Smith and Missus Lee",
    "Mr Smith met Dr Jones at St Mary's.": "Mister Smith met Doctor Jones at Saint Mary's.",
    "Mr and Mrs Ford": "Mister and Missus Ford",
    "MR. SMITH MET DR. LEE": "MISTER SMITH MET DOCTOR LEE",
    "the Dr. said no": "the Doctor said no",
    "Thank you, Dr. You saved me.": "Thank you, Doctor. You saved me.",
    "Dr. No met Dr. Who": "Doctor No met Doctor Who",
    "DR Congo won. DR Ford of the DR Congo": "DR Congo won. Doctor Ford of the DR Congo",
    "Lt. Col. Lee, Sgt. Maj. Hill": "Lieutenant Colonel Lee, Sergeant Major Hill",
    "Brig. Gen. Ito": "Brigadier General Ito",
    "Gen. Lee, Gen Lee and Gen Z": "General Lee, General Lee and Gen Z",
    "the Gen. spoke": "the General spoke",
    "Sen. Hale, Rep. Chu, Gov. Lee, Pres. Ford": "Senator Hale, Representative Chu, Governor Lee, President Ford",
    "Thank you, Dr. I feel better. Yes, Lt. I will.": "Thank you, Doctor. I feel better. Yes, Lieutenant. I will.",
    "Yes, Dr. Is it bad? Sorry, Prof. My leg.": "Yes, Doctor. Is it bad? Sorry, Professor. My leg.",
    "However, Dr. No fled. Today, Dr. Will Lee came.": "However, Doctor No fled. Today, Doctor Will Lee came.",
    "Dr. I. Lee, Prince Dr. Will Hill, Yesterday, Dr. Still left": (
        "Doctor I Lee, Prince Doctor Will Hill, Yesterday, Doctor Still left"
    ),
    "I met Gen. She is nice. Yes, Gen. I will.": "I met Gen. She is nice. Yes, General. I will.",
    "Sr. Agnes, Sr. Editor Ann, John Adams Sr.": "Sister Agnes, Senior Editor Ann, John Adams Senior.",
}
INITIALS = {
    "John R. R. Whitfield came.": "John R R Whitfield came.",
    "J.R.R. Tolkien and J. K. Rowling": "J R R Tolkien and J K Rowling",
    "I. Newton, by I. Asimov": "I Newton, by I Asimov",
    "You and I. He and I.": "You and I. He and I.",
    "Plan B. Oranges have vitamin C. Lemons, too.": "Plan B. Oranges have vitamin C. Lemons, too.",
    "He lives in the U.S. It is big.": "He lives in the U S. It is big.",
    "the U.S. Army": "the U S Army",
    "in the U.S.\n\nChina is big.": "in the U S. China is big.",
    "the U.S., the U.K.; the U.N.?": "the U S, the U K; the U N?",
    "U.S.-led, the U.S.'s, U.S.A": "U S-led, the U S's, U S A",
    "He has a Ph.D. in art. She has a Ph.D. They met.": "He has a PhD in art. She has a PhD. They met.",
    "PhDs: Ph.D.s, M.D.s": "PhDs: PhDs, M Ds",
}
UNITS = {
    "The door is 6 ft. tall and 5 min. later it fell.": "The door is six feet tall and five minutes later it fell.",
    "1 in. wide, 2 in. long": "one inch wide, two inches long",
    "It weighs 12 lbs. That is much.": "It weighs twelve pounds. That is much.",
    "400 sq. ft. of floor": "four hundred square feet of floor",
    "a few min. later, ten ft. away": "a few minutes later, ten feet away",
    "5 sec. later, sec. 5": "five seconds later, section five",
    "min. 5, 5 min. max.": "minimum five, five minutes maximum.",
    "He came in. Then he sat.": "He came in. Then he sat.",
    "We let three in. Two left. She's one gal. I like her.": "We let three in. Two left. She's one gal. I like her.",
    "one in. wide, 3 in. Then one gal. of it, 2 gal. We": (
        "one inch wide, three inches. Then one gallon of it, two gallons. We"
    ),
}
COMPANIES = {
    "Acme Co., Ltd., of London, and Lee, Esq., came.": "Acme Company, Limited, of London, and Lee, Esquire, came.",
    "Apple Inc. makes it at Apple Inc. It pays.": "Apple Incorporated makes it at Apple Incorporated. It pays.",
    "Acme Corp. Chairman Lee": "Acme Corporation Chairman Lee",
    "Jones & Co. and Warner Bros": "Jones and Company and Warner Brothers",
    "Martin Luther King Jr. spoke. Dr. King Jr and": "Martin Luther King Junior spoke. Doctor King Junior and",
    "Xyz., and so on": "Xyz, and so on",
}
REFERENCES = {
    "See Sec. 1.2 and Ch. 3 on Mon. at noon.": "See Section one point two and Chapter three on Monday at noon.",
    "p. 12, pp. 30-34, Fig. 3, Eq. 7": "page twelve, pages thirty to thirty-four, Figure three, Equation seven",
    "No. 5, no. 6, Nos. 7 and 8": "Number five, number six, Numbers seven and eight",
    "No. I said no. Oh no. 5 are left.": "No. I said no. Oh no. five are left.",
    "Apt. 4, Rm. 5, Rte. 66, ext. 42": "Apartment four, Room five, Route sixty-six, extension forty-two",
    "2nd ed. of 1999, ed. by Lee": "second edition of nineteen ninety-nine, edited by Lee",
}
WORDS_AND_REFERENCES = {
    "Download the app. I love it.": "Download the app. I love it.",
    "Give me a sec. I need to think. Just one sec. I'll check.": (
        "Give me a sec. I need to think. Just one second. I'll check."
    ),
    "I love art. I paint. He is my ex. I'm not sad.": "I love art. I paint. He is my ex. I'm not sad.",
    "Ask the ref. I saw it. He hates his ex. A lawyer called.": (
        "Ask the ref. I saw it. He hates his ex. A lawyer called."
    ),
    "Great app. 5 stars! Close the tab. I was here.": "Great app. five stars! Close the tab. I was here.",
    "Use my app. 10 cats do. I met Art. 5 years ago we wed.": (
        "Use my app. ten cats do. I met Art. five years ago we wed."
    ),
    "This is Max. I love him, and Max. 5 people left.": "This is Max. I love him, and Max. five people left.",
    "Well, Art. I see. A good chap. I like him.": "Well, Art. I see. A good chap. I like him.",
    "I ate a fig. It was good. How apt. I agree.": "I ate a fig. It was good. How apt. I agree.",
    "Back in a min. I promise. Wait a min.": "Back in a minute. I promise. Wait a minute.",
    "App. A lists them, app. A of it too, (fig. A)": "Appendix A lists them, appendix A of it too, figure A",
    "Art. I of it, Art. I, sec. 8; Ch. I was.": "Article one of it, Article one, section eight; Chapter one was.",
    "Do ex. 5, read chap. 4, as in the fig. 5.": "Do example five, read chapter four, as in the figure five.",
    "Max. 5 people. Min. 3 nights, a min. of 3.": "Maximum five people. Minimum three nights, a minimum of three.",
    "As fig. 5 shows, figs. 3 and 4 differ; fig. below": (
        "As figure five shows, figures three and four differ; figure below"
    ),
    "My apt. is small. He left my apt. It is cold.": "My apartment is small. He left my apartment. It is cold.",
}
DATES = {
    "in Jan. and Sept. 2020": "in January and September twenty twenty",
    "It was in Mar. The sun shone.": "It was in March. The sun shone.",
    "I met Jan. She is nice. Thanks, Jan. I am Jun.": "I met Jan. She is nice. Thanks, Jan. I am Jun.",
    "Ask Tom and Jan. They know.": "Ask Tom and Jan. They know.",
    "in Jan. She left. The Jan. sale, from Dec. to Jan. We": (
        "in January. She left. The January sale, from December to January. We"
    ),
    "Late Jan. We ski. On Jan. 5, 5 Jan. He": "Late January. We ski. On January fifth, the fifth of January. He",
    "on Sun. at noon. The Sun. He sat. Then": "on Sunday at noon. The Sun. He sat. Then",
    "at 5 p.m. Then": "at five PM. Then",
    "at 5 p.m. Monday, at 8 p.m. Eastern Time": "at five PM Monday, at eight PM Eastern Time",
    "At 5 a.m. John left.": "At five AM John left.",
    "at 9 a. m. sharp": "at nine AM sharp",
}
PLACES = {
    "Main St. near St. Louis": "Main Street near Saint Louis",
    "In St. Louis, on Main St. He": "In Saint Louis, on Main Street. He",
    "Mount St. Helens, Mt. Rainier": "Mount Saint Helens, Mount Rainier",
    "Mt Everest, Ft. Worth": "Mount Everest, Fort Worth",
    "200 N. Maple Dr., Apt. 4": "two hundred North Maple Drive, Apartment four",
    "Hello, Dr. Lee. Hello Dr.": "Hello, Doctor Lee. Hello Doctor.",
    "12 Oak Dr. My number is 5. On Elm Dr. Is it near?": (
        "twelve Oak Drive. My number is five. On Elm Drive. Is it near?"
    ),
    "On Oak Dr. Turn left. Lake Dr. Go on.": "On Oak Drive. Turn left. Lake Drive. Go on.",
    "Hello Dr. I feel ill. Goodbye Dr. My bus!": "Hello Doctor. I feel ill. Goodbye Doctor. My bus!",
    "5th Ave, Abbey Rd. and Hill Blvd.": "fifth Avenue, Abbey Road and Hill Boulevard.",
    "12 Main St Boston, Wall St. Journal": "twelve Main Street Boston, Wall Street Journal",
    "Springfield, Ill., and Tulsa, Okla. She": "Springfield, Illinois, and Tulsa, Oklahoma. She",
    "Ill. Miss. Smith": "Ill. Miss. Smith",
    "Austin, TX, and Albany, NY": "Austin, Texas, and Albany, New York",
    "Well, OK. Oh, HI": "Well, OK. Oh, HI",
}
NAMES_AND_STATES = {
    '"Yes, Miss. I mean it." "Thanks, Miss."': '"Yes, Miss. I mean it." "Thanks, Miss."',
    "Hi, Pa. I'm back. Oh, Okay, Pa.": "Hi, Pa. I'm back. Oh, Okay, Pa.",
    "Thanks, Mo. Goodbye, Del. Hey, Tex. I won.": "Thanks, Mo. Goodbye, Del. Hey, Tex. I won.",
    "Scranton, Pa. In Jackson, Miss. It is hot.": "Scranton, Pennsylvania. In Jackson, Mississippi. It is hot.",
    "Kansas City, Mo. He left Reading, Pa., and Tex.": (
        "Kansas City, Missouri. He left Reading, Pennsylvania, and Texas."
    ),
    "Robert Chen, MD, is in. Call Ann Ortiz, MD.": "Robert Chen, MD, is in. Call Ann Ortiz, MD.",
    "In Baltimore, MD, Silver Spring, MD, and In Bel Air, MD.": (
        "In Baltimore, Maryland, Silver Spring, Maryland, and In Bel Air, Maryland."
    ),
    "In Denver, CO. It is cold. In Rome, GA. Then": "In Denver, Colorado. It is cold. In Rome, Georgia. Then",
    "He lives in Austin, TX. Seattle, WA!": "He lives in Austin, Texas. Seattle, Washington!",
    "He lives in Portland, OR. It rains.": "He lives in Portland, Oregon. It rains.",
    "We moved from Fort Wayne, IN, to Bangor, ME.": "We moved from Fort Wayne, Indiana, to Bangor, ME.",
    "We moved to Columbus, OH!": "We moved to Columbus, Ohio!",
    "Take the bus in Rome, OR walk.": "Take the bus in Rome, OR walk.",
    "We are in Paris, OK? I said to Bob, HI.": "We are in Paris, OK? I said to Bob, HI.",
    "the mean, SD, and range; lupus, MS, and flu": "the mean, SD, and range; lupus, MS, and flu",
    "(Ultrasound, CT, MRI) and methane, CO and Word, MS Excel": (
        "Ultrasound, CT, MRI, and methane, CO and Word, MS Excel"
    ),
    "B-52, MI6; Detroit, MI; Hartford, CT, USA": "B fifty-two, MI six; Detroit, Michigan; Hartford, Connecticut, USA",
    "ACME CO. DR. LEE": "ACME COMPANY DOCTOR LEE",
}
BOOKS = {
    "Gen. 1:1, Ex. 20:3, Rev. 21:4": "Genesis one one, Exodus twenty three, Revelation twenty-one four",
    "See Matt. 5:3-12, 2 Tim. 3:16.": "See Matthew five three to twelve, two Timothy three sixteen.",
    "Thanks, Matt. 5:30 is fine. I met Tim. 5:30 works.": (
        "Thanks, Matt. five thirty is fine. I met Tim. five thirty works."
    ),
    "Rev. Lee, Gen. Ito at 5:30, Ex. 20, Rev. 5:30 p.m.": (
        "Reverend Lee, General Ito at five thirty, Example twenty, Reverend five thirty PM."
    ),
}
LATIN = {
    "e.g. this, i. e. that, cf. them": "for example this, that is that, compare them",
    "tea, etc. Then etc. and etc": "tea, et cetera. Then et cetera and et cetera",
    "Smith et al. agree. Roe v. Wade": "Smith et al agree. Roe versus Wade",
    "ca. 1350, c. 1350": "about thirteen fifty, about thirteen fifty",
    "approx. 5, b. 1950": "approximately five, born nineteen fifty",
    "P.S. I love you": "P S I love you",
}
SPACES = {
    "I came.Then I saw. What?No!": "I came. Then I saw. What? No!",
    "It was bad. (It was.) So": "It was bad. It was. So",
    "the prize ($5!) and left": "the prize, five dollars, and left",
}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        pair
        for table in (
            TITLES,
            INITIALS,
            UNITS,
            COMPANIES,
            REFERENCES,
            WORDS_AND_REFERENCES,
            DATES,
            PLACES,
            LATIN,
            SPACES,
        )
        for pair in table.items()
    ],
)
def test_an_abbreviation_is_read_in_full_and_its_stop_kept_if_a_sentence_ends(written, said):
    assert spoken_form(written) == said
    assert spoken_form(said) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "1 Corinthians 13:4, II Kings 4, I John 4:8",
            "First Corinthians thirteen four, Second Kings four, First John four eight",
        ),
        ("2 Kings", "Second Kings"),
        ("A reading from 1 Kings.", "A reading from First Kings."),
        (
            "1 Thess. 5:17, 1 Sam. 3, 1Jn 4:8",
            "First Thessalonians five seventeen, First Samuel three, First John four eight",
        ),
        ("Isa. 9:6, Lk 2:1, Song of Songs 2:1", "Isaiah nine six, Luke two one, Song of Songs two one"),
        # no books
        ("I have 2 Kings and 3 Aces.", "I have two Kings and three Aces."),
        ("2 Kings, 3 Aces. Ask 1 John.", "two Kings, three Aces. Ask one John."),
        ("1 John Street, 2 Kings Road", "one John Street, two Kings Road"),
        ("I told I John 5 times.", "I told I John five times."),
        ("2 Peter 500 units", "two Peter five hundred units"),
        ("1 John\n2 Peter\n3 Mary", "one John. two Peter. three Mary"),
    ],
)
def test_a_number_before_a_book_of_the_bible_is_first_or_second(written, said):
    assert spoken_form(written) == said
    assert spoken_form(said) == said


def test_a_zip_code_tells_a_state_from_a_word():
    assert expanded("Bangor, ME 04401, or me. Well, OK.") == "Bangor, Maine 04401, or me. Well, OK."


def test_expanding_in_place_keeps_the_positions():
    read = expanded_in_place(EditedText.of("Dr. Lee, 6 ft. tall"))
    assert read.text == "Doctor Lee, 6 ft tall"
    assert read.position(read.text.index("Lee")) == 4
    assert read.position(read.text.index("tall")) == 15


@pytest.mark.parametrize("unit", ["A. ", "St. ", "U.S. ", "Dr.", "5 ft. ", "a.b.", "No. ", "e. g. ", "x"])
def test_long_runs_take_linear_time(unit):
    assert expanded(unit * (50_000 // len(unit)))
