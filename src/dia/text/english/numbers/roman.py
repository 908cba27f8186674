"""Roman numerals: World War II, Henry VIII, Chapter IV, the XXI century. I, Mix, CD, MD and DVI stay as they are."""

import re

from dia.text.english.numbers.cardinals import cardinal, ordinal, year
from dia.text.english.numbers.rules import after, before, listed

_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_VALID = re.compile(r"M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_NUMERAL = re.compile(r"(?<![\w'.&/-])(?:[IVX]{1,8}|[IVXLCDM]{2,10})(?![\w/&-]|\.\w)")
_ORDINAL = re.compile(r"\b([IVX]{1,6})(?:th|st|nd|rd|e)(?= [Cc]entur)")
_WORLD_WAR = re.compile(r"\bWW(I{1,3})\b")
_SMALL = re.compile(r"\b((?:[Ss]cene|[Cc]hapter|[Aa]ct|[Vv]olume|[Ff]olio) )([ivx]{1,5})\b(?!['.-]\w)")
_YEAR = re.compile(r"M(?:M|CM|D?C{0,3})[CDXLVI]{2,}")
# No English word, and rarely an abbreviation: a numeral wherever it stands.
_ALWAYS = frozenset(listed("II III VII VIII XII XIII XIV XV XVI XVII XVIII XIX XXI XXII XXIII XXIV XXV XXVI"))
_PARTS = (
    *("War", "Wars", "Chapter", "Chapters", "Part", "Parts", "Act", "Scene", "Book", "Books", "Volume", "Vol"),
    *("Section", "Article", "Type", "Phase", "Stage", "Class", "Appendix", "Figure", "Table", "Level", "Grade"),
    *("Title", "Unit", "Episode", "Season", "Bowl", "WrestleMania", "Mark", "Schedule", "Category", "Canto", "Verse"),
    *("Amendment", "Division", "Tier", "Group", "Region", "Zone", "Lesson", "Round", "Symphony", "Vatican", "Step"),
    *("Fantasy", "Quest", "Rocky", "Rambo", "Apollo", "Gemini", "Saturn", "Titan", "Factor", "Movement", "Sonata"),
)
_PART_NAMES = frozenset([*_PARTS, *(part.upper() for part in _PARTS)])
_PART_AND_NUMERAL = re.compile(r"(\w+)\.? [IVX]{1,5}(?:,|,? (?:and|or|to)) $")  # Chapters IV and V
_TITLES = frozenset(
    listed(
        "King Queen Pope Emperor Empress Tsar Tsarina Czar Sultan Kaiser Pharaoh Prince Princess Duke Archduke Shah "
        "Patriarch Monarch Majesty"
    )
)
_RULERS = listed(
    "Adrian Afonso Albert Alexander Alexandra Alexios Alfonso Alfred Amenhotep Andrew Anne Antiochus Artaxerxes "
    "Basil Baudouin Beatrix Benedict Boniface Callixtus Carl Carlos Casimir Catherine Celestine Charles Christian "
    "Clement Cleopatra Clovis Conrad Constantine Cyrus Darius David Edmund Edward Eleanor Elizabeth Emmanuel Eric "
    "Eugene Felipe Ferdinand Francis Franz Frederick Frederik George Gregory Gustav Gustavus Haakon Hadrian Harald "
    "Harold Hassan Henri Henry Honorius Hugh Innocent Isabella Ivan James Joanna John Joseph Juan Julius Justinian "
    "Karl Leo Leopold Louis Ludwig Magnus Mahmud Malcolm Manuel Margaret Margrethe Maria Marie Martin Mary Matthias "
    "Maximilian Mehmed Michael Mithridates Murad Napoleon Nebuchadnezzar Nero Nicholas Olaf Olav Otto Paul Pedro "
    "Peter Philip Philippe Pius Ptolemy Ramesses Ramses Richard Robert Rudolf Sargon Selim Seti Sigismund Sixtus "
    "Stephen Suleiman Theodosius Thutmose Umberto Urban Valdemar Victor Victoria Vladimir Wenceslaus Wilhelm "
    "Wilhelmina Willem William Xerxes"
)
_RULER_NAMES = frozenset([*_RULERS, *(name.upper() for name in _RULERS)])
# Names that are no other words, nor names of characters in numbered works: Harry Potter III.
_GIVEN_NAMES = listed(
    "Adam Alan Allen Alvin Andy Anthony Archibald Arthur Barry Ben Benjamin Bill Billy Bob Bobby Brian Bruce Calvin "
    "Charlie Chester Chris Clarence Claude Clifford Clyde Curtis Cyril Dan Daniel Darrell Davis Dennis Donald Douglas "
    "Dwight Earl Ed Eddie Edgar Edwin Elliott Ellis Ernest Ethan Everett Floyd Frank Franklin Fred Gary Gerald "
    "Gilbert Glenn Hank Harrison Harvey Herbert Homer Horace Howard Howell Hubert Irving Isaac Jack Jacob Jeff "
    "Jeffrey Jerome Jerry Jesse Jim Jimmy Joe Joel Johnny Jonathan Joshua Keith Kelly Ken Kenneth Kevin Kyle Larry "
    "Lawrence Leon Leonard Leroy Leslie Lester Lewis Lloyd Luther Lyle Marvin Matthew Maurice Melvin Milton Mitchell "
    "Morris Nathan Nathaniel Neil Nelson Norman Odell Oliver Oscar Patrick Percy Perry Ralph Randall Randy Raymond "
    "Reginald Rick Rodney Roger Roland Ron Ronald Roy Rufus Russell Sam Samuel Scott Seth Sidney Simon Spencer "
    "Stanley Steve Steven Stewart Stuart Ted Terrence Terry Theodore Thomas Thurston Tim Timothy Todd Tom Tommy "
    "Trevor Vernon Vincent Virgil Wallace Walter Warren Wayne Wendell Wesley Wilbur Willie Winston Winthrop"
)
_HEIR = re.compile(rf"\b(?:{'|'.join([*_RULERS, *_GIVEN_NAMES])}) (?:[A-Z]\.? |[A-Z][a-z]{{1,15}} ){{1,2}}$")
_NAME = re.compile(r"[A-Z][\w'-]*:? $")
_ARTICLE = re.compile(r"\b(?:A|An|The|I|My|This|In|On|At|By|For|And|Or|But|If) $")
_CENTURY = re.compile(r"(?:th|st|nd|rd)? (?:[Cc]entur(?:y|ies)|Olympi(?:c|ad))")
_MAYBE_ONE = re.compile(r"(?:[A-Z]\w*\.?|\b[IVX]{2,5},?(?: and| or| to)?) $")  # what may stand before I as a numeral
_INTRAVENOUS = re.compile(r" (?:fluid|drip|line|bag|antibiotic|access|therapy|infusion|tube|pole|drug|injection)s?\b")
_REIGNS = re.compile(r"'s\b|,? (?:of|was|ruled|reigned|died|became)\b|[.;)]")
_LISTED = re.compile(r"(?:,|,? (?:and|or|to|vs\.?)) (?:II|III|IV|V)\b")
# "the Part I liked", "Elizabeth, I think": a pronoun comes before these.
_VERB = re.compile(
    r" (?:am|had|do|did|will|would|could|should|can|may|might|must|shall|never|always|just|really|also|still|think|"
    r"thought|like|liked|love|loved|want|wanted|wrote|read|said|say|mean|know|knew|play|played|hate|saw|see|need|have|"
    r"guess|hope|believe|feel|went|told|asked|found|made|took)\b"
)


def without_numerals(text: str) -> str:
    """Replace Roman numerals by words: cardinals after Chapter or World War, ordinals after the name of a ruler."""
    text = _NUMERAL.sub(_said, _ORDINAL.sub(_century, text))
    return _SMALL.sub(_small, _WORLD_WAR.sub(lambda match: f"World War {cardinal(len(match[1]))}", text))


def _small(match: re.Match[str]) -> str:
    """Act III, scene ii → scene two."""
    number = value(match[2].upper())
    pronoun = match[2] == "i" and re.match(r" [a-z]", after(match))
    return match[0] if number is None or pronoun else f"{match[1]}{cardinal(number)}"


def _century(match: re.Match[str]) -> str:
    return ordinal(number) if (number := value(match[1])) else match[0]


def value(numeral: str) -> int | None:
    """XIV → 14; None if it is not a Roman numeral."""
    if not _VALID.fullmatch(numeral):
        return None
    values = [_VALUES[letter] for letter in numeral]
    return sum(-one if one < following else one for one, following in zip(values, [*values[1:], 0], strict=True))


def _said(match: re.Match[str]) -> str:
    numeral = match[0]
    earlier = before(match, 48)
    if numeral == "I" and not _MAYBE_ONE.search(earlier) and not _LISTED.match(after(match)):
        return numeral
    number = value(numeral)
    if number is None:
        return numeral
    if _CENTURY.match(after(match)) and numeral not in ("I", "V", "X"):
        return ordinal(number)
    if _YEAR.fullmatch(numeral) and len(numeral) > 3 and 1100 <= number <= 2099:
        return year(number)
    if _is_part(earlier):
        return numeral if numeral == "I" and _is_pronoun(match) else cardinal(number)
    if _is_ruler(match, earlier):
        return f"the {ordinal(number)}"
    return cardinal(number) if _stands_alone(match, earlier) else numeral


def _is_part(earlier: str) -> bool:
    if not earlier.endswith(" "):
        return False
    if earlier[:-1].rpartition(" ")[2].rstrip(".") in _PART_NAMES:
        return True
    pair = _PART_AND_NUMERAL.search(earlier)
    return pair is not None and pair[1] in _PART_NAMES


def _is_pronoun(match: re.Match[str]) -> bool:
    later = after(match, 16)
    return bool(_VERB.match(later)) or bool(re.match(r"'(?!s\b)", later))


def _is_ruler(match: re.Match[str], earlier: str) -> bool:
    numeral, words = match[0], earlier.split()[-3:]
    if not words or not words[-1][0].isupper() or not earlier.endswith(" "):
        return False
    if not _TITLES.isdisjoint(words[:-1]) and words[-1][-1].isalpha():
        return not (numeral == "I" and _is_pronoun(match))
    if words[-1] in _RULER_NAMES:
        reigns = numeral != "I" or _REIGNS.match(after(match, 16))
        return bool(reigns) and not (numeral == "X" and words[-1] == "Malcolm")
    return numeral in ("II", "III", "IV") and bool(_HEIR.search(earlier))


def _stands_alone(match: re.Match[str], earlier: str) -> bool:
    """Whether a numeral is one without a known word before it: Rocky III, "I, II and III"."""
    numeral = match[0]
    if numeral in _ALWAYS:
        return True
    if _LISTED.match(after(match)):
        return numeral in ("I", "IV", "V") and not _is_pronoun(match)
    if numeral == "IV" and _INTRAVENOUS.match(after(match)):
        return False
    named = bool(_NAME.search(earlier)) and not _ARTICLE.search(earlier)
    return named and numeral in ("IV", "VI", "IX", "XI")


__all__ = ["value", "without_numerals"]
