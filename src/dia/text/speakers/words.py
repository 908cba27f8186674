"""Words that tell names of speakers from other words before a colon, and speech from other text.

The lists are short on purpose: what decides is the whole text (`dia.text.speakers.evidence`).
"""

import re
from typing import NamedTuple


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Who speaks, named by a role.
ROLES = _words(
    """
    actor agent ai announcer answer artist assistant author bot boy brother buyer caller candidate captain chair
    chairman chatbot chef child clerk client coach commentator counselor court customer dad daughter detective
    director doctor driver editor employee employer expert farmer father girl grandfather grandma grandmother
    grandpa guest guide himself host human husband interviewee interviewer journalist judge king lady lawyer
    librarian man manager me mentor mistress moderator mom mother mum narrator nurse officer operator owner
    passenger patient person pilot player poet police policeman presenter prince princess professor prosecutor
    psychologist pupil queen question reader receptionist recruiter reporter salesman seller servant sister
    soldier son speaker storyteller student support survivor teacher therapist tourist trainer traveler user
    vendor visitor voice voiceover waiter waitress wife witness woman you
    """
) | {"customer service", "customer support", "tech support", "front desk", "help desk"}
# Roles that speak alone. A single "Doctor:" or "Question:" may be anything.
LONE_ROLES = _words(
    """
    announcer host narrator presenter speaker storyteller voice voiceover
    """
)
# Roles that are named by a letter or a number: Speaker A, Voice 2.
_NUMBERED = re.compile(
    r"(s|speaker|person|voice|player|character|actor|host|guest|question|answer|q|a)[ _]*#?[ _]*(\d{1,4})"
)
# Questions and answers, whose numbers count them and not the speakers. Alone they are headings.
ASKING = ("q", "a", "question", "answer")
_SERIES = re.compile(r"(?:speaker|person|voice|player|character|actor) (?:\d{1,4}|[a-z])")
# Words that stand before a colon, a dash or text and are not names.
_NOT_NAMES = _words(
    """
    about above absent abstract achievements action actions activity add added additionally address
    addresses advantage advantages advice after afternoon age agenda aim aims all also alternatively
    although amount analysis and android announcement answers anybody anyway appendix applause apr arg args
    argument arguments array arrival article aside assignee assumption assumptions attachments attention
    attribute attributes audience aug august author authors autumn average avoid axis background bad balance
    battery because before beginner below benefit benefits besides best beware body bonus book books bool
    boolean bottom break breakfast breaking bridge btw bronze budget bugs build but butter calories case
    category cause causes caution caveat center centre challenge change changed changes chapter characters
    check checklist cheering cheers chorus chuckles city claim class clear closed closing code color colors
    colour column columns comfort command commands comment comments common company comparison complete con
    concept conclusion conclusions config configuration cons consequence consequently consider contact
    content contents context continued continuous contrast contributors copyright cost costs counterpoint
    country course created credit credits crowd crying current customers cut danger data date dates day days
    deadline dear dec december decision default defaults definition deliverables delivery departure depends
    deprecated description design dessert details development device diagnosis dict did difference
    differences difficulty dimensions dinner disadvantage disadvantages disclaimer discussion dissolve div
    do does don't dont dosage dose dtype duration easy edge edges edit edits education effect eta effects
    eggs elif else em email emphasis encoding end ending energy english entry environment epilogue episode
    equipment errata error errors essay estimate etc even evening event events everybody everyone evidence
    exactly examination example examples except exception excerpt exercise exercises exhibit expected
    experience explanation ext extra fact facts fade fall false family fax feature features feb february
    fees fiction field fields figure figures file files final finally finding findings first fixed fixme
    flashback float flour focus followed following follows food footer footnote footsteps for foreword
    format formats formula french fri friday friends from function functions further fwiw fyi garden gasp
    gender general german getting giggle giggles giggling given goal goals gold good grade great greetings
    group groups guests guideline guidelines hard head header headline health hear height hello hence here
    hint hints history hobby holiday homepage hours how however html humidity hypothesis idea ideas
    identifier if imho imo illustration imagine img impact implication import importance important
    impression include included includes including index info information ingredients input inside install
    installation instance instead instruction instructions int interesting intermission interpretation intro
    introduction invoice iphone is issue issues italian item items january job jobs jul july jump jun just
    justification key keyerror keywords kind knock knocking kwargs label labels lambda language languages
    last later latin laugh laughing laughter layout lead left legend length lesson lessons let level levels
    licence license licenses likewise limit limitations line link links linux list lists literally loc
    location locations look loser lunch mac main maintainer maintainers maintenance mar march material
    materials maximum meaning meanwhile measures medication meeting member members memo menu message method
    methods metrics middle midnight milestone milk minimum minute minutes mission model module modules mon
    monday money montage month months mood moral more moreover morning most motto moves music myth name
    namely names nationality need news next nickname night no nobody node nodes noise none noon not notabene
    note notes nothing notice nov november now nowhere null number numbers oatmeal object objective
    objectives observation observations obviously occupation oct october odds of offer oil once one only
    open opening option optional options or order orders organizer origin other others otherwise our outcome
    outlook output outro outside overall overview owner package packages page pages paper paragraph param
    parameter parameters params parking part participants parts password path paths pause payment people
    pepper perhaps phase phone picture place places plan plans please plot plus point points policy
    population position possible postscript practice pre preface prefix premise preparation prerequisites
    present preview price prices principle priority prize pro problem problems procedure process product
    profession profile program project projects prologue promise proof properties property proposal
    proposition pros prosody ps psa publication published publisher purpose quality quantity quick quiz
    quotation quote quotes raise raises range rating ratio rationale ratios re reaction reading reality
    really reason reasons rebuttal recap recently recipe recommendation recommendations recommended record
    reference references refrain regarding region related release remark remarks remedy remember reminder
    removed repeat report request required requirement requirements requires research resolution resources
    response responsibilities rest result results return returns review revision reward right ringing rings
    risk risks roll route row rows rule rules runtimeerror russian safety salary sales salt same saturday
    saying scene schedule school science score scores screen screenplay season second secondly secret
    section see sep sept september sequence series serves service services servings session setting settings
    setup sex shape shapes shift short should show side sigh sighing sign signature signed significance
    silence silver similarly simply since singing site size skill skills smash so sobbing solution solutions
    some someone song sound soundtrack source sources space span spanish speak specifically speed spoiler
    sport sports spring stage stanza start starting state statement station statistics status step steps
    still stop story str street strength strengths string strong structure style subject subjects subtotal
    sugar suggestion suggestions suitable summary summer sunday super supplement supplies surprise symptom
    symptoms synonym synonyms synopsis system table take takeaway takeaways target task tasks team tel
    temperature term terms test testing tests text thank thanks that then theorem theory there therefore
    thesis thing things think third this though thought thoughts thread threat three thu thunder thur thurs
    thursday thus tickets time timeline times tip tips title titles tl;dr tldr to today todo together
    tomorrow tonight tools top topic topics total totals traceback tradition training transition translation
    transport treatment trigger trivia true truth try tue tues tuesday tuple tutorial two type typeerror
    types unfortunately unit units update updated updates upstream url usage use used username users uses
    usually value valueerror values variables vegan vegetarian venue verdict verse version versus video view
    vision vocabulary volume vote votes vs warning warnings watch water way we weakness weaknesses weather
    website wed wednesday week weekend weeks weight welcome what when where which while whisper whispering
    whispers who whose why wind windows winner winter with without wonder word words work works workshop
    worst wrong year years yes yesterday yet yield yields zero
    """
)
# Such words that may precede a name: FIRST WITCH, GENERAL HUX.
_BEFORE_NAMES = ("first", "second", "third", "fourth", "general", "major")
# What precedes names only: MR. DAY.
_TITLES = ("mr", "mrs", "ms", "miss", "dr", "prof", "professor", "sir", "lady", "lord", "aunt", "uncle")
# Words of phrases such as "He said" and "My name", in which no word is a name.
_NEVER_IN_NAMES = _words(
    """
    about added adds am answered are as asked asks at be been but by can continued could did do does explained
    for from goes had has have he her here his how i if is it its may means might must my no not on or our read
    reads replied replies said say says shall she should shouted so tells than that their then there these they
    this those to told was way we went were what when where which whispered who whom why will would writes wrote
    you your
    """
)
_PARTICLES = _words(
    """
    & al and at bin by da de del della den der di du el in la le of on ten ter the van von with y
    """
)
_TITLE = re.compile(
    r"(?:dr|mr|mrs|ms|prof|sgt|st|lt|capt|col|gen|rev|jr|sr|[^\W\d_])(?:\.|$)|(?:[^\W\d_]\.)+$", re.IGNORECASE
)
_FEWEST_WORDS_OF_A_SENTENCE = 5
_LONGEST_WORD = 20
_INNER_CAPITAL = re.compile(r"[a-z][A-Z]")  # ValueError; names have at most one, such as McCoy

# What people say to each other, in English; the signs also occur in other languages. By weight: what is rare outside a
# conversation, what is also said to readers, and what is common there.
_TALK = (
    (
        1.0,
        re.compile(
            r"\b(?:I|I'[a-z]{1,2}|me|mine|hello|hi|hey|yes|yeah|yep|nope|oh|ah|aha|okay|ok|thanks|thank you|sorry"
            r"|of course|good (?:morning|evening|night|afternoon)|wow|um|uh|hmm|let's|sir|madam|ma'am|objection"
            r"|goodbye|bye|welcome)\b|[?？؟¿]",
            re.IGNORECASE,
        ),
    ),
    (0.75, re.compile(r"\b(?:you|your|yours|you're|well|sure|please|let us|shall)\b|[!！¡]", re.IGNORECASE)),
    (0.5, re.compile(r"\b(?:we|us|our|no|my|always|never|exactly|almost|only|and|but|so|then)\b", re.IGNORECASE)),
)


_DIRECTION = re.compile(r"[(\[][a-z][a-z ,']{2,60}[)\]]", re.IGNORECASE)  # (laughs)
_GREETING = re.compile(
    r"[\"'“‘(]?(?:hello|hi|hey|good (?:morning|evening|night|afternoon|day)|yes|yeah|no|thanks|thank you|oh|okay|ok"
    r"|well|sure|of course|welcome)\b",
    re.IGNORECASE,
)


class Name(NamedTuple):
    """A name as written in the text, and its form for comparisons: `DR. SMITH` and `Dr Smith` are one name."""

    written: str
    key: str

    @classmethod
    def of(cls, written: str) -> "Name":
        """The name for the words of a label."""
        written = " ".join(written.split())
        key = " ".join(written.casefold().replace("’", "'").replace(".", " ").replace("_", " ").split())
        if (numbered := _NUMBERED.fullmatch(key)) is not None:
            role = numbered[1]
            key = role if role in ASKING else f"{role} {int(numbered[2])}"
        return cls(written, key)

    @property
    def number(self) -> int | None:
        """The number of `S1`, `Speaker 1` and `Person 1`, which the author meant as a mark; None for other names."""
        role, _, number = self.key.partition(" ")
        return int(number) if role in ("s", "speaker", "person") and number.isdigit() else None

    @property
    def is_numbered(self) -> bool:
        """Whether it is one of a series: Speaker 1, Person A, Voice 2."""
        return self.number is not None or _SERIES.fullmatch(self.key) is not None

    @property
    def has_title(self) -> bool:
        """Whether it begins with a title: Dr. Smith."""
        words = self.key.split()
        return len(words) > 1 and words[0] in _TITLES

    @property
    def is_role(self) -> bool:
        """Whether it names a role, perhaps with a number or letter: Host, Speaker A, Old Man, Question."""
        words = self.key.split()
        return words[-1] in ROLES or words[0] in ROLES or self.key in ("q", "a") or self.number is not None

    @property
    def is_upper(self) -> bool:
        """Whether it is in capitals, two or more."""
        return self.written.isupper() and sum(character.isalpha() for character in self.written) > 1

    @property
    def is_lower(self) -> bool:
        """Whether it is in small letters."""
        return self.written.islower()


def may_be_name(name: Name) -> bool:
    """Whether words before a colon may be the name of a speaker, as far as they show it themselves."""
    words = name.key.split()
    if not words or len(words) >= _FEWEST_WORDS_OF_A_SENTENCE:
        return False
    if name.number is not None or name.key in ROLES:
        return True
    if "".join(words) in _NOT_NAMES:
        return False
    rest = words[1:] if len(words) > 1 and words[0] in _BEFORE_NAMES else words
    if words[0] not in _TITLES and any(word.strip("'") in _NOT_NAMES for word in rest):
        return False
    if len(words) > 1 and words[0] not in _TITLES and any(word in _NEVER_IN_NAMES for word in words):
        return False
    if "_" in name.written and not name.is_numbered:
        return False
    return _is_spelt_like_a_name(name.written.replace("_", " ").split())


def _is_spelt_like_a_name(words: list[str]) -> bool:
    if any(len(word) > _LONGEST_WORD or len(_INNER_CAPITAL.findall(word)) > 1 for word in words):
        return False
    if len(words) == 1 and words[0].islower():
        return words[0].isalpha() or words[0][-1].isdigit()
    if words[-1].endswith(".") and not _TITLE.match(words[-1]):
        return False
    return all(not word[0].islower() or word in _PARTICLES for word in words) and words[-1] not in _PARTICLES


def talk_in(said: str) -> float:
    """How much a text sounds like what people say to each other: 1 for a question or "I", 0 for no sign of it."""
    if _DIRECTION.match(said):
        return 1.0
    return next((weight for weight, words in _TALK if words.search(said)), 0.0)


def is_greeting(said: str) -> bool:
    """Whether a text begins with a greeting or an answer: Hello, yes, well."""
    return _GREETING.match(said) is not None


__all__ = ["ASKING", "LONE_ROLES", "Name", "is_greeting", "may_be_name", "talk_in"]
