"""The syntax of a script's marks: speaker tags, sounds and pauses. Independent of the words between them."""

import re
from difflib import get_close_matches
from functools import lru_cache

SPEAKERS = ("S1", "S2")
TAG = re.compile(r"\[(S[12])\]")  # the form that the model reads; authors may write any form of SPEAKER_TAG
NON_VERBAL_TAGS = (
    "(laughs)",
    "(clears throat)",
    "(sighs)",
    "(gasps)",
    "(coughs)",
    "(singing)",
    "(sings)",
    "(mumbles)",
    "(beep)",
    "(groans)",
    "(sniffs)",
    "(claps)",
    "(screams)",
    "(inhales)",
    "(exhales)",
    "(applause)",
    "(burps)",
    "(humming)",
    "(sneezes)",
    "(chuckle)",
    "(whistles)",
)

SPEAKER_TAG = re.compile(r"[\[［] *(?:s|speaker) *(\d{1,9}) *[\]］]", re.IGNORECASE)
SPEAKER_LINE = re.compile(r"^ *(?:s|speaker) *(\d{1,9}) *[:：]", re.IGNORECASE | re.MULTILINE)
# Words alone are no length: [pause to think] is left to `dia.text.sounds`.
_LENGTH = r"(?=[^\[\]a-z]*\]|[^\[\]]*(?:[:=\d]|\bseconds?\b|\bminutes?\b))"
PAUSE_MARK = re.compile(rf"\[ *pause\b({_LENGTH}[^\[\]]*)\]", re.IGNORECASE)
# One or two words in parentheses: a sound or an aside.
MAYBE_SOUND = re.compile(r"\( *[A-Za-z]+(?: +[A-Za-z]+)? *\)")
# The names of a word's phones, for a model that reads phones: {n aa1 r iy0}.
_VOWEL = "(?:aa|ae|ah|ao|aw|ax|ay|eh|er|ey|ih|iy|ow|oy|uh|uw)[012]"
PHONES_IN_BRACES = re.compile(rf"\{{(?=[^{{}}]*\b{_VOWEL}\b) *[a-z]{{1,3}}[012]?(?: +[a-z]{{1,3}}[012]?){{0,63}} *\}}")

_NAMES = [tag.strip("()") for tag in NON_VERBAL_TAGS]


def speakers_in(spoken: str) -> tuple[str, ...]:
    """The speakers in a text for the model, by first appearance: `[S2] Hi. [S1] Ho.` → `("S2", "S1")`."""
    return tuple(dict.fromkeys(TAG.findall(spoken)))


def listed_sound(bracketed: str) -> str | None:
    """The tag of `NON_VERBAL_TAGS` with the same words: `[ Laughs ]` → `(laughs)`; None for other words."""
    tag = _tag(bracketed).lower()
    return tag if tag in NON_VERBAL_TAGS else None


def _tag(bracketed: str) -> str:
    return f"({' '.join(bracketed.strip('()[] ').split())})"


@lru_cache(maxsize=1024)
def nearest(tag: str) -> str | None:
    """The listed tag with a similar spelling: `(chuckles)` → `(chuckle)`; None if there is none."""
    close = get_close_matches(tag.strip("()").lower(), _NAMES, n=1, cutoff=0.75)
    return f"({close[0]})" if close else None


__all__ = [
    "MAYBE_SOUND",
    "NON_VERBAL_TAGS",
    "PAUSE_MARK",
    "PHONES_IN_BRACES",
    "SPEAKERS",
    "SPEAKER_LINE",
    "SPEAKER_TAG",
    "TAG",
    "listed_sound",
    "nearest",
    "speakers_in",
]
