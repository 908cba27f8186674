"""Tables of abbreviations, without their last full stop, and of the words that decide about them."""


def _table(pairs: str) -> dict[str, str]:
    """Read `Mr Mister, Mrs Missus`."""
    return dict(pair.split(maxsplit=1) for pair in pairs.split(",") if pair.strip())


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Before a name.
TITLES = _table("""
    Mr Mister, Mrs Missus, Ms Ms, Mx Mix, Messrs Messrs, Mme Madame, Mlle Mademoiselle, Prof Professor, Rev Reverend,
    Msgr Monsignor, Sgt Sergeant, Lt Lieutenant, Capt Captain, Cpl Corporal, Pvt Private, Cmdr Commander,
    Cdr Commander, Supt Superintendent, Insp Inspector, Atty Attorney, Brig Brigadier, mr mister, mrs missus, ms ms,
    dr doctor, prof professor
""")
BEFORE_NAMES = _table("""
    Gen General, Sen Senator, Rep Representative, Gov Governor, Col Colonel, Maj Major, Adm Admiral, Det Detective,
    Pres President, Hon Honorable, Fr Father, Amb Ambassador, Sec Secretary, Ft Fort, Mt Mount, Pt Point, Ofc Officer,
    Sts Saints, Rt Right, Ald Alderman, Br Brother, Ste Sainte, Univ University, Dept Department, Assn Association
""")
# After the name of a person or a company.
COMPANIES = _table("""
    Co Company, Cos Companies, Inc Incorporated, Ltd Limited, Corp Corporation, Bros Brothers, Mfg Manufacturing,
    Jr Junior, Esq Esquire, Assn Association, Assoc Associates, Intl International, Natl National, Univ University,
    Dept Department, Govt Government, Sch School, Inst Institute
""")
STREETS = _table("""
    st street, ave avenue, blvd boulevard, rd road, Ave Avenue, Av Avenue, Blvd Boulevard, Rd Road, Ln Lane,
    Ct Court, Sq Square, Pl Place, Hwy Highway, Pkwy Parkway, Expy Expressway, Ter Terrace, Hts Heights, Mtn Mountain,
    Mts Mountains, Bldg Building
""")
# Before a number.
NUMBERS = _table("No Number, no number, Nos Numbers, nos numbers, p page, P Page, pp pages, Pp Pages")
REFERENCES = _table("""
    Sec Section, sec section, Secs Sections, secs sections, Ch Chapter, ch chapter, Chs Chapters, Chap Chapter,
    chap chapter, Vol Volume, vol volume, Vols Volumes, vols volumes, Art Article, art article, Para Paragraph,
    para paragraph, Par Paragraph, Fig Figure, fig figure, Figs Figures, figs figures, Eq Equation, eq equation,
    Eqs Equations, eqs equations, Tab Table, tab table, App Appendix, app appendix, Ex Example, ex example,
    Ref Reference, ref reference, Refs References, refs references, Thm Theorem, Def Definition, Prop Proposition,
    Lem Lemma, Pt Part, pt part, Rm Room, Apt Apartment, apt apartment, Ste Suite, Bldg Building, Hwy Highway,
    Rte Route, Rt Route, Ext Extension, ext extension, Tel Telephone, tel telephone, Ver Version, ver version,
    v version, Op Opus, op opus, Bk Book, Dist District, Flt Flight
""")
LIMITS = _table("min minimum, Min Minimum, max maximum, Max Maximum")
# References that are words or names, too.
WORDS_AND_REFERENCES = _words("app apt art chap ex fig figs op ref refs sec secs tab")
DETERMINERS = _words("""
    a an the my your his her its our their this that these those one some any no each every another whose
""")
# After a number: one/many. The units of `dia.text.english.numbers.units` keep their written form.
UNITS = _table("""
    in inch/inches, ft foot/feet, yd yard/yards, yds yard/yards, mi mile/miles, oz ounce/ounces, lb pound/pounds,
    lbs pound/pounds, gal gallon/gallons, qt quart/quarts, pt pint/pints, tsp teaspoon/teaspoons,
    tbsp tablespoon/tablespoons, doz dozen/dozen, sec second/seconds, secs second/seconds, min minute/minutes,
    mins minute/minutes, h hour/hours, hr hour/hours, hrs hour/hours, wk week/weeks, wks week/weeks, mo month/months,
    mos month/months, yr year/years, yrs year/years, mm millimeter/millimeters, cm centimeter/centimeters,
    m meter/meters, km kilometer/kilometers, mg milligram/milligrams, g gram/grams, kg kilogram/kilograms,
    ml milliliter/milliliters, l liter/liters, cal calorie/calories, ea each/each, pkg package/packages,
    pkgs package/packages, pkt packet/packets, c cup/cups
""")
AREAS = {"sq": "square ", "cu": "cubic "}
MONTHS_AND_DAYS = _table("""
    Feb February, Mar March, Apr April, Jul July, Aug August, Sep September, Sept September,
    Oct October, Nov November, Dec December, Mon Monday, Tue Tuesday, Tues Tuesday, Wed Wednesday, Weds Wednesday,
    Thu Thursday, Thur Thursday, Thurs Thursday, Fri Friday
""")
MONTHS_AND_NAMES = _table("Jan January, Jun June")
DAYS_AND_WORDS = {"Sat": "Saturday", "Sun": "Sunday"}
HALF_DAYS = {"a.m": "AM", "p.m": "PM", "A.M": "AM", "P.M": "PM"}
AFTER_TIMES = _words("""
    Mon Monday Tue Tues Tuesday Wed Wednesday Thu Thur Thurs Thursday Fri Friday Sat Saturday Sun Sunday
    Jan January Feb February Mar March Apr April May Jun June Jul July Aug August Sep Sept September Oct October
    Nov November Dec December EST EDT ET CST CDT CT MST MDT MT PST PDT PT GMT UTC BST CET CEST IST JST
    Eastern Central Mountain Pacific Greenwich
""")
# May be the last word of a sentence: before any capital, it is.
STRONG = _table("etc et cetera, Etc Et cetera")
# May be the last word of a sentence: it is before a word that often begins one.
WEAK = _table("""
    Ph.D PhD, O.K OK, m.p.h miles per hour, p.p.m parts per million, co company, a.k.a also known as, dept department,
    govt government, assn association, assoc associate, bldg building, misc miscellaneous, avg average, ibid ibidem,
    temp temperature, qty quantity, asst assistant, mgr manager, hwy highway, resp respectively, cont continued,
    ave avenue, blvd boulevard, rd road, univ university, inc incorporated, ltd limited, corp corporation, jr junior,
    sr senior, max maximum, min minimum
""")
NEVER_LAST = _table("""
    e.g for example, E.g For example, i.e that is, I.e That is, eg for example, vs versus, Vs Versus,
    approx approximately, Approx Approximately, ca about, cf compare, Cf Compare, viz namely, incl including,
    excl excluding, esp especially, vol volume, Vol Volume,
    attn attention, Attn Attention, P.S P S, N.B N B
""")
FIGURES = _table("Fig Figure, fig figure, Figs Figures, figs figures")
APARTMENTS = _table("apt apartment, Apt Apartment")
STATES = _table("""
    Ariz Arizona, Calif California, Colo Colorado, Conn Connecticut, Fla Florida, Mich Michigan, Minn Minnesota,
    Nebr Nebraska, Neb Nebraska, Nev Nevada, Okla Oklahoma, Tenn Tennessee, Tex Texas, Wis Wisconsin, Wyo Wyoming,
    N.Y New York, N.J New Jersey, N.H New Hampshire, N.M New Mexico, N.C North Carolina, S.C South Carolina,
    W.Va West Virginia
""")
WORDS_AND_STATES = _table("""
    Ala Alabama, Ark Arkansas, Del Delaware, Ga Georgia, Ill Illinois, Ind Indiana, Kan Kansas, Kans Kansas,
    Ky Kentucky, La Louisiana, Mass Massachusetts, Md Maryland, Miss Mississippi, Mo Missouri, Mont Montana,
    Ore Oregon, Pa Pennsylvania, Penn Pennsylvania, Va Virginia, Vt Vermont, Wash Washington, N.D North Dakota,
    S.D South Dakota, R.I Rhode Island
""")
POSTAL = _table("""
    AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, FL Florida, GA Georgia,
    IL Illinois, IA Iowa, KS Kansas, KY Kentucky, MD Maryland, MI Michigan, MN Minnesota, MS Mississippi, MO Missouri,
    MT Montana, NE Nebraska, NV Nevada, NH New Hampshire, NJ New Jersey, NM New Mexico, NY New York,
    NC North Carolina, ND North Dakota, RI Rhode Island, SC South Carolina, SD South Dakota, TN Tennessee, TX Texas,
    UT Utah, VT Vermont, VA Virginia, WA Washington, WV West Virginia, WI Wisconsin, WY Wyoming
""")
# Postal abbreviations that are also degrees, measures and the like: these need a city before them.
AMBIGUOUS_POSTAL = _words("AR CO CT IL MD MI MS MT NE SD VA")
POSTAL_WORDS = _table("""
    AL Alabama, DE Delaware, HI Hawaii, ID Idaho, IN Indiana, LA Louisiana, ME Maine, MA Massachusetts, OH Ohio,
    OK Oklahoma, OR Oregon, PA Pennsylvania
""")
# Books of the Bible before a chapter and a verse: `Gen. 1:1`. The second are names of people, too.
BOOKS = _table("""
    Gen Genesis, Exod Exodus, Ex Exodus, Lev Leviticus, Num Numbers, Deut Deuteronomy, Judg Judges, Kgs Kings, Chron
    Chronicles, Chr Chronicles, Neh Nehemiah, Esth Esther, Ps Psalm, Pss Psalms, Prov Proverbs, Eccl Ecclesiastes, Isa
    Isaiah, Jer Jeremiah, Lam Lamentations, Ezek Ezekiel, Hos Hosea, Obad Obadiah, Mic Micah, Hab Habakkuk, Zeph
    Zephaniah, Hag Haggai, Zech Zechariah, Rom Romans, Cor Corinthians, Eph Ephesians, Col Colossians, Thess
    Thessalonians, Heb Hebrews, Jas James, Rev Revelation, Jn John, Lk Luke, Mk Mark, Mt Matthew
""")
BOOKS_AND_NAMES = _table("""
    Josh Joshua, Sam Samuel, Dan Daniel, Mal Malachi, Matt Matthew, Gal Galatians, Phil Philippians, Tim Timothy,
    Tit Titus, Pet Peter
""")
DIRECTIONS = {"N": "North", "S": "South", "E": "East", "W": "West"}
# Written without a full stop, too: before a name, after a name, and anywhere.
TITLES_WITHOUT_STOP = _table("""
    Mr Mister, Mrs Missus, Dr Doctor, Prof Professor, Sgt Sergeant, Capt Captain, Lt Lieutenant, Cpl Corporal,
    Rev Reverend, Col Colonel, Gen General, Gov Governor, Maj Major, Mt Mount, Ft Fort, MR Mister, MRS Missus,
    DR Doctor
""")
NAMES_WITHOUT_STOP = _table("""
    Inc Incorporated, Ltd Limited, Corp Corporation, Bros Brothers, Jr Junior, Sr Senior, Ave Avenue, Blvd Boulevard,
    Rd Road, Hwy Highway, Pkwy Parkway, Esq Esquire
""")
WORDS_WITHOUT_STOP = _table("""
    etc et cetera, vs versus, approx approximately, dept department, Dept Department, mins minutes,
    hrs hours, secs seconds, yrs years
""")
WITHOUT_STOP = TITLES_WITHOUT_STOP | NAMES_WITHOUT_STOP | WORDS_WITHOUT_STOP

SMALL_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve", "twenty")
NUMBER_WORDS = (
    *("zero", "oh", *SMALL_NUMBERS, "eleven", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand"),
)
# Words that begin a sentence more often than a name.
PRONOUNS = _words("He She It We They You This That These Those There The")
STARTERS = PRONOUNS | _words("""
    I I'm I've I'd I'll It's He's She's That's There's They're We're You're Let's Don't My Your His Her Its Our Their
    A An Some Any All Each Every Both Many Most Few Several Another Such No Not Nobody Everybody Everyone Someone
    Nothing Everything Something One Two Three
    And But Or So Yet Nor If When While Because Although Though Since After Before Until Unless As Once Whether
    However Therefore Moreover Meanwhile Instead Perhaps Maybe Then Now Today Tomorrow Yesterday Later Soon Here
    Finally First Second Next Last Also Even Still Only Just Never Always Often Sometimes Again Please Thanks Thank
    In On At By For From With Without To Of About Over Under Between During Through Into Like Despite Among Inside
    Who Whose What Which Where Why How Is Are Was Were Do Does Did Can Could Will Would Should Shall Have Has Had
    Yes Hello Hi Dear Well Oh Look See Let Go Come Take Try Ask Call Read Write Bring Nevertheless Otherwise Thus
    People Somebody Anyone Neither Either Much Above Below Across Behind Beyond Along Around Against Throughout Within
    Whatever Wherever Whenever Rather Indeed Nonetheless Furthermore Additionally Similarly Consequently Hence Overall
    Generally Initially Originally Clearly Obviously Apparently Actually Honestly Sure Okay Sorry Good Great
    Wait Stop Listen Keep Make Give Get Put Turn Use Remember Check Add Note
    What's Who's Where's How's Here's Isn't Aren't Doesn't Didn't Won't Can't Wouldn't Couldn't Haven't Hasn't
    According Currently Recently Usually Eventually Suddenly Unfortunately Fortunately Other Others
""")
# Words that begin a sentence, but are also names: `Dr. Will Smith`, `Dr. No`.
NAMES_AND_STARTERS = _words("""
    Will Who No So Do An Her Good Great Well Still Call Case Read Like May Much
""")
# Before a comma and the name of the listener: `Thanks, Mo.`
CALLS = STARTERS | _words("""
    Goodbye Bye Hey Ah Oh Ooh Aw Right Alright Yeah Yep Yup Nope Nah Ok OK Fine Excuse Welcome Congratulations Cheers
    True Exactly Really Morning Afternoon Evening Night Farewell Greetings Howdy Um Uh Hmm Wow Whoa Dear Easy Enough
    Careful Hush Bless Pardon Absolutely Certainly Definitely Correct Done Ouch Hurry Merci Why Seriously Anyway
    Agreed Never Speaking Hallo Hullo Aye Nay Ay Damn Gosh Man Sir Madam Ma'am Mom Mum Dad Mama Papa
""")
# After `Sr.` without a name before: `Sr. Editor`, but `Sr. Agnes`.
POSITIONS = _words("Advisor Analyst Associate Director Editor Engineer Executive Manager Officer Partner Vice")
# Words before a letter that is not an initial: `plan B. Then`.
LETTERED = _words("""
    plan vitamin vitamins grade grades group class type point option section exhibit appendix part team hepatitis
    letter size category level column row answer step a an is are was were or got key note version model phase zone
    gate terminal block unit drive war world act chapter book volume highway item line platform degrees
""")
SAINTS = _words("""
    Agnes Albans Andrew Andrews Anne Ann Anthony Augustine Barts Bartholomew Bernard Catherine Catherines Christopher
    Clair Clare Cloud Croix David Davids Denis Elizabeth Francis George Germain Helena Helens Ives James Joan John
    Johns Joseph Jude Kitts Lawrence Louis Lucia Luke Mark Martin Mary Matthew Michael Moritz Nicholas Nick Olaf
    Pancras Patrick Paul Pauls Peter Peters Petersburg Stephen Stephens Thomas Tropez Valentine Vincent
""")
BEFORE_SAINTS = _words("Mount Mt Mt. Fort Ft Ft. Lake Port Old New East West North South Sault Church Cathedral Saint")
