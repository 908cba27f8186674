"""Convert written English to spoken form: `spoken_form("Dr. Lee owes $5.")` is "Doctor Lee owes five dollars."

Expands internet addresses, symbols and punctuation; `dia.text.english.abbreviations` expands abbreviations,
`dia.text.english.numbers` expands numbers, and `dia.text.english.lines` decides which line breaks end a sentence.
Tags, pauses and sounds (`dia.text.tags`) are unchanged. Independent of turns.
"""

import re

from dia.text.characters.unicode import SPOKEN_SYMBOLS, plain
from dia.text.english.abbreviations import expanded
from dia.text.english.lines import line_ends
from dia.text.english.numbers.codes import NAMES
from dia.text.english.numbers.figures import in_words
from dia.text.english.numbers.lengths import with_lengths
from dia.text.english.numbers.measures import UNITS
from dia.text.english.numbers.roman import without_numerals
from dia.text.english.numbers.rules import applied, compiled, either, listed
from dia.text.english.numbers.symbols import AFTER_NUMBERS, BEFORE_NUMBERS, SYMBOLS
from dia.text.sounds import sound_of
from dia.text.tags import MAYBE_SOUND, PAUSE_MARK, PHONES_IN_BRACES, SPEAKER_TAG

_PASSES = 8  # the output of one pass may contain an abbreviation: 2St. → two St. → two Street.
_COUNTRIES = listed(  # endings that are no words, since "He left.in the end" lacks a space
    "ae ai ar au br ca ch cl cn cz de dk ee es eu fi fm fr gg gr hk hu ie il io jp kr lt lv ly mx nl nz ph pl pt ro "
    "ru se sg tr tv tw ua uk us vn za"
)
_LABELS = r"(?:[A-Za-z0-9-]{1,63}\.){1,8}"
_ENDINGS = (
    rf"com|org|net|edu|gov|info|dev|app|co|{either(_COUNTRIES)}|(?:co|com|ac|gov|org|net|edu)\.[a-z]{{2}}",
    r"(?:am|at|be|in|is|it|me|my|no|so|to)(?=/\w)",
)
_DOMAIN = f"{_LABELS}(?:{'|'.join(_ENDINGS)})"
_IN_ADDRESSES = {
    ".": " dot ",
    "/": " slash ",
    "@": " at ",
    "-": " dash ",
    "_": " underscore ",
    "?": " question mark ",
    "=": " equals ",
    "&": " and ",
    "#": " hash ",
    "%": " percent ",
    "+": " plus ",
    "~": " tilde ",
    ":": " colon ",
}


def spoken_form(text: str) -> str:
    """Convert English to ASCII words as they are spoken: numbers, dates, money, abbreviations, addresses, symbols.

    Speaker tags, pause marks and sounds such as (laughs) are unchanged. Line breaks after list items, headings and
    verse become full stops, other whitespace becomes single spaces. The function is idempotent:
    `spoken_form(spoken_form(text)) == spoken_form(text)`. It omits emoji without a warning;
    `dia.text.characters.unicode.plain` lists them.

    Raises:
        TypeError: text is not a str.
        ValueError: text contains letters of another script or control characters.
    """
    said = line_ends(plain(text).text)
    for _ in range(_PASSES + 1):
        before, said = said, _said(said)
        if said == before:
            break
    return said


def _said(text: str) -> str:
    written = with_lengths(re.sub(r"[^\S\n]+", " ", text))
    parts, end = [], 0
    for mark in _MARK.finditer(written):
        kept = _kept(mark[0])
        if kept is not None:
            parts += [_words(written[end : mark.start()]), kept]
            end = mark.end()
    return _tidy(" ".join([*parts, _words(written[end:])]))


_MARK = re.compile(
    f"{SPEAKER_TAG.pattern}|{PAUSE_MARK.pattern}|{MAYBE_SOUND.pattern}|{PHONES_IN_BRACES.pattern}", re.IGNORECASE
)


_FIGURE = re.compile(r"\d")


def _kept(mark: str) -> str | None:
    return sound_of(mark) if mark[0] == "(" else mark


def _words(text: str) -> str:
    text = applied(_WORDS, re.sub(r"\s+", " ", expanded(text)))
    text = applied(_SIGNS, without_numerals(text))
    if _FIGURE.search(text):
        text = in_words(text)
    return applied(_AFTER_NUMBERS, text)


def _tidy(text: str) -> str:
    return applied(_PUNCTUATION, text).strip()


def _address(match: re.Match[str]) -> str:
    address = match[0].rstrip(".,;:!?)'\"")
    stop = match[0][len(address) :]
    address = re.sub(r"^(?:\w+://)?(?:www\.)?", "", address).rstrip("/")
    spelt = re.sub(
        r"(?<=\.)([a-z]{2})(?![\w-])",
        lambda domain: " ".join(domain[1].upper()) if domain[1] in _COUNTRIES else domain[1],
        address,
    )
    return " " + "".join(_IN_ADDRESSES.get(character, character) for character in spelt) + stop


_WORDS = compiled(
    (r"[:;=](?<!\S.)-?[()DPp|](?!\S)", " ", ":;="),
    (r"(?:https?://|\bwww\.)\S+", _address, "/w"),
    (rf"(?<![\w.@-])[\w.+-]{{1,64}}@{_LABELS}[A-Za-z]{{2,24}}\b", _address, "@"),
    (rf"\b(?<![.@-]){_DOMAIN}\b(?:/\S*)?", _address, "."),
    (r"\.(?<!\..)(?=[,;:])", ""),
    (r"(?<=[.!?])\)\.(?![.\w])", ")"),
    (r"(?<![.!?])[.!?]+\)(?= [a-z])", ")"),
    (r"(?<=[.!?])\)(?= |$)", ""),
    (r"\.(?<=[a-z]{2}.)(?=[A-Z][a-z])", ". "),
    (r"([!?])(?<=\w{2}.)(?=[A-Z])", r"\1 "),
    (r"c/o(?!\w)(?<!\w...)", "care of", "/"),
    (r"\bw/o(?!\w)", "without", "/"),
    (r"\bw/ ?(?=\w)", "with ", "/"),
    (r"\b([Aa])nd/or\b", r"\1nd or", "/"),
)
_SIGNS = (*NAMES, *UNITS, *BEFORE_NUMBERS)
_DASHES = compiled(
    (r" ?(?<!-)--+(?!-)(?= ?(?:$|[\"'](?!\w)))", "...", "-"),
    (r"--+|-(?<![^ ].)(?: |$)", ", ", "-"),
    (r"\) ?$", ""),
)
_AFTER_NUMBERS = (*_DASHES, *AFTER_NUMBERS)
_PUNCTUATION = compiled(
    (r"\s+", " "),
    (r" (?=[,.;:!?])", ""),
    (r"\.{2,}", "..."),
    (r"[,;:]+(?=[,.;:!?])", ""),
    (r"(?<=[.!?])[,;:]+", ""),
    (r"(?<=[,.;:!?][\"'])[,;:]+", ""),
    (r"^[ ,;:]+", ""),
)
assert set(SPOKEN_SYMBOLS) <= set(SYMBOLS)

__all__ = ["spoken_form"]
