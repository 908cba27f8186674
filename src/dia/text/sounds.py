"""Sounds and pauses however they are written: `[sigh]`, `*laughs*`, `(LAUGHS)`, `<laugh>`, `(long pause)`.

Each becomes the nearest of the listed sounds, or a pause mark. Words in parentheses that are neither are an aside.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache

from dia.text.actions import has_actions_shape, is_action
from dia.text.characters.edited import Edit, EditedText
from dia.text.english.dictionary import is_word
from dia.text.listing import first_names
from dia.text.tags import MAYBE_SOUND, NON_VERBAL_TAGS, listed_sound

# Seconds of `(short pause)`, `(pause)` and `(long pause)`.
SHORT_PAUSE, PAUSE, LONG_PAUSE = 0.3, 0.7, 1.5

_STEMS = {
    **dict.fromkeys(("laugh", "giggl", "snicker", "snigger", "chortl", "cackl", "guffaw", "titter"), "(laughs)"),
    "chuckl": "(chuckle)",
    "sigh": "(sighs)",
    "gasp": "(gasps)",
    "cough": "(coughs)",
    "sing": "(sings)",
    **dict.fromkeys(("mumbl", "mutter", "murmur"), "(mumbles)"),
    **dict.fromkeys(("beep", "bleep"), "(beep)"),
    **dict.fromkeys(("groan", "moan"), "(groans)"),
    **dict.fromkeys(("sniff", "sniffl"), "(sniffs)"),
    "clap": "(claps)",
    **dict.fromkeys(("scream", "shriek"), "(screams)"),
    "inhal": "(inhales)",
    "exhal": "(exhales)",
    "applaud": "(applause)",
    **dict.fromkeys(("burp", "belch"), "(burps)"),
    "hum": "(humming)",
    "sneez": "(sneezes)",
    "whistl": "(whistles)",
}
_FORMS = {
    "applause": "(applause)",
    "laughter": "(laughs)",
    "singing": "(singing)",
    "sang": "(sings)",
    **{
        f"{stem}{ending}": tag
        for stem, tag in _STEMS.items()
        for ending in ("", "e", "s", "es", "ed", "ing", f"{stem[-1]}ed", f"{stem[-1]}ing")
        if stem + ending != "singing"
    },
}
for _word in ("singe", "singes", "singed", "hume", "humes"):  # other words
    _FORMS.pop(_word, None)
_PHRASES = (
    (
        re.compile(
            r"(?:clear(?:s|ing|ed)?|clearing of)(?: (?:his|her|their|my|the|its))? throats?|throat clear(?:ing|s)?"
        ),
        "(clears throat)",
    ),
    (
        re.compile(r"(?:takes? |taking )?(?:a )?(?:deep|sharp|big) (?:breath|inhale)|breath(?:es?|ing)? in"),
        "(inhales)",
    ),
    (re.compile(r"breath(?:es?|ing)? out"), "(exhales)"),
    (re.compile(r"(?:the )?(?:audience|crowd) (?:cheers|cheering)|round of applause"), "(applause)"),
)
# Without one of these, words name no sound.
_HINT = re.compile("|".join([*_STEMS, "applause", "sang", "throat", "breath", "inhale", "audience", "crowd"]))
# Sounds that Dia does not have. All other words in parentheses are an aside.
_UNAVAILABLE = re.compile(
    r"(?:bark|bang|boo|cheer|click|growl|grunt|gulp|hiccup|howl|knock|purr|roar|scoff|shout|slurp|smack|sneer|snort|"
    r"squeal|squeak|swallow|tut|vomit|wail|whimper|whisper|yawn|yell)(?:s|ing)?|(?:hiss|kiss|retch)(?:es|ing)?|"
    r"cr(?:y|ies|ying)|breath(?:es?|ing)|pant(?:s|ing)|snor(?:e|es|ing)|sob(?:s|bing)?|weep(?:s|ing)?|"
    r"wheez(?:e|es|ing)|whin(?:es?|ing)|bells?|crash(?:es)?|ding|doorbell|explosion|footsteps|gags|gunshots?|music|"
    r"noise|static|thunder|thud|door (?:opens|closes|slams|creaks)|phone (?:rings|ringing)"
)
_BESIDE_A_SOUND = (
    r"(?:[a-z]{2,}ly|fit|fits|spell|burst|a|little|bit|again|hard|out|loud|louder|aloud|still|both|all|together|some|more|"
    r"he|she|they|it|everyone|everybody|audience|crowd|man|woman|people|group|"
    r"nervous|heavy|deep|big|small|soft|quiet|light|awkward|evil|bitter|long|short|sharp|dry|"
    r"to (?:him|her|them|my)sel(?:f|ves)|(?:in|with) (?:relief|frustration|surprise|shock|horror|disbelief|pain|fear|"
    r"exasperation|delight|amusement|background|the background|the distance|agreement|annoyance))"
)
_ALL_BESIDE = re.compile(rf"(?:{_BESIDE_A_SOUND}(?: {_BESIDE_A_SOUND}){{0,3}})?")
_PAUSE_WORDS = re.compile(
    r"(?:a |the )?(?:(?P<short>short|brief|slight|small|little|quick|tiny)|(?P<long>long|longer|lengthy|big|dramatic|"
    r"extended|pregnant|awkward|very long)|medium)? ?"
    r"(?:pauses?|pausing|beat|(?P<silence>silence|moment of silence))"
    r"(?: (?:(?P<briefly>briefly|shortly)|for (?:a moment|effect)|dramatically))?"
)
# In square brackets: [pause to think], [Pause. Then softly]
_PAUSE_AND_MORE = re.compile(
    r"pauses?(?: ?[.,;–—-]| (?:to|then|and|while|before|after|for|as|here|in|with)\b)[^:=\d]*", re.IGNORECASE
)
_TIMED_PAUSE = re.compile(
    r"(?:(?:a )?pauses?(?: for| of|[:=,])? ?(?P<after>\d{1,5}(?:\.\d{1,3})?)[ -]?"
    r"(?P<unit>ms|milliseconds?|s|secs?|seconds?)"
    r"|(?:a )?(?P<before>\d{1,5}(?:\.\d{1,3})?)[ -]?(?P<unit2>ms|milliseconds?|s|secs?|seconds?)[ -]pause)"
)
_MARKED = re.compile(
    r"[\[［](?P<square>[^\[\]［］\n]{1,50})[\]］]"
    r"|[(（]{1,2}(?P<round>[^()（）\n]{1,50})[)）]{1,2}"
    r"|\{(?P<curly>[^{}\n]{1,50})\}"
    r"|(?<![\w*])\*{1,3}(?P<stars>[^\s*][^*\n]{0,48})\*{1,3}(?![\w*])"
    r"|(?<![\w~])~{1,2}(?P<waves>[^\s~][^~\n]{0,48})~{1,2}(?![\w~])"
    r"|<(?P<closing>/?)(?P<tag>[A-Za-z][A-Za-z _-]{0,30})/?>"
)
_NAMES = [tag.strip("()") for tag in NON_VERBAL_TAGS]
_BY_INITIAL = {name[0]: [other for other in _NAMES if other[0] == name[0]] for name in _NAMES}
_FEWEST_LETTERS, _MOST_LETTERS = 4, 16  # of a misspelt sound
_LONGEST, _MOST_WORDS = 50, 5  # of a description of a sound
_AFTER_AN_ARTICLE = re.compile(r"\b(?:an?|the)\s$", re.IGNORECASE)  # the <static> keyword
_TRIGGERS = re.compile(r"[\[［(（{*~<]")


def marked_sounds(source: EditedText, *, english: bool = True) -> tuple[EditedText, list[str]]:
    """Replace marked sounds by the nearest listed sound, and words for a pause by a pause mark.

    Without English, only the listed sounds themselves are recognized, such as `*laughs*`.

    `(pause)`, `[pause]`, `(beat)` and `*pauses*` are 0.7 s, `(short pause)` 0.3 s, `(long pause)` and `(silence)`
    1.5 s. Actions such as `*smiles*` are left out, with a warning.
    """
    if not _TRIGGERS.search(source.text):
        return source, []
    left_out = dict[str, None]()
    source = source.edited(_edits(source.text, english, left_out))
    if not left_out:
        return source, []
    fact = "taken for actions, or sounds that Dia does not have, and left out"
    return source, [f"{first_names(left_out)}: {fact}. Write the words without marks to have them spoken."]


def _edits(text: str, english: bool, left_out: dict[str, None]) -> Iterator[Edit]:
    for mark in _MARKED.finditer(text):
        stand_in = _stand_in(mark) if english else _listed(mark)
        if stand_in is not None and stand_in != mark[0]:
            yield Edit(mark.start(), mark.end(), "" if mark["closing"] else stand_in)
        elif english and _is_left_out(mark):
            left_out[mark[0]] = None
            yield Edit(mark.start(), mark.end(), "")
        elif english and has_actions_shape(mark[0]):  # emphasis
            yield Edit(mark.start(), mark.end(), mark[0].strip("*"))


def _is_left_out(mark: re.Match[str]) -> bool:
    """Whether it is an action, or a sound that Dia does not have in angle brackets."""
    if tag := mark["tag"]:
        before = mark.string[max(0, mark.start() - 5) : mark.start()]
        return _is_unavailable(re.sub(r"[_-]", " ", tag.lower())) and not _AFTER_AN_ARTICLE.search(before)
    return is_action(mark.string, *mark.span())


def _stand_in(mark: re.Match[str]) -> str | None:
    """The listed sound or the pause mark for words that are marked; None for other words."""
    if tag := mark["tag"]:
        words = _plain(re.sub(r"[_-]", " ", tag))
        return _pause_mark(words) or _phrase(words.lower())
    words = _plain(next(filter(None, (mark["square"], mark["round"], mark["curly"], mark["stars"], mark["waves"]))))
    if pause := _pause_mark(words):
        return pause
    if mark["square"] and _PAUSE_AND_MORE.fullmatch(words):
        return _pause_mark("pause")
    if mark["square"] or MAYBE_SOUND.fullmatch(mark[0]):
        return None  # `sound_of` is enough, and it is shown as it was written
    return sound_named(words, aside=bool(mark["round"]))


def _listed(mark: re.Match[str]) -> str | None:
    """The listed sound between asterisks, tildes or angle brackets; those in other brackets are known as they are."""
    words = mark["curly"] or mark["stars"] or mark["waves"] or mark["tag"]
    return listed_sound(re.sub(r"[_-]", " ", words)) if words else None


def sound_of(bracketed: str) -> str | None:
    """The sound that words in brackets stand for: `(Laughing)`, `[laughter]` → `(laughs)`; None for other words.

    A sound that Dia does not have is returned in parentheses: `(whispers)`.
    """
    words = _plain(bracketed.strip("()[] "))
    if sound := sound_named(words, aside=not bracketed.startswith("[")):
        return sound
    return f"({words})" if _is_unavailable(words) else None


def is_marked_sound(words: str, *, english: bool = True) -> bool:
    """Whether emphasized words are a sound or a pause: `*sighs*`. Without English, only a listed sound is one."""
    if len(words) > _LONGEST:
        return False
    words = _plain(words)
    if not english:
        return listed_sound(words) is not None
    return sound_named(words, aside=False) is not None or _pause_mark(words) is not None


@lru_cache(maxsize=4096)
def sound_named(words: str, *, aside: bool = True) -> str | None:
    """The listed sound that marked words name: `laughs softly` → `(laughs)`; None for other words.

    Args:
        words: words in brackets or between asterisks.
        aside: the words may be an aside, as in parentheses. Then other words beside the sound must be an adverb or a
            speaker; otherwise any few words may stand before or after it.
    """
    if listed := listed_sound(words):
        return listed
    lower = words.lower()
    named = _phrase(lower) or _with_company(words, aside) if _HINT.search(lower) else None
    return named or _misspelt(lower)


def _phrase(words: str) -> str | None:
    found = _FORMS.get(words)
    return found or next((tag for pattern, tag in _PHRASES if pattern.fullmatch(words)), None)


def _with_company(words: str, aside: bool) -> str | None:
    """The sound among words that may stand beside one: `laughs softly`, `she sighs`, `John laughs`."""
    parts = words.replace(",", "").split(" ")
    for index in range(len(parts)):
        for length in (1, 2, 3, 4):
            sound = _phrase(" ".join(parts[index : index + length]).lower())
            before, after = parts[:index], parts[index + length :]
            if sound and (_may_stand_beside(before, after) or (not aside and not (before and after))):
                return sound if len(parts) <= _MOST_WORDS else None
    return None


def _may_stand_beside(before: list[str], after: list[str]) -> bool:
    if len(before) == 1 and before[0].istitle() and before[0].isalpha():
        before = []  # a name
    return _ALL_BESIDE.fullmatch(" ".join([*before, *after]).lower()) is not None


def _misspelt(words: str) -> str | None:
    """The listed sound with a similar spelling, if the words are not English."""
    if not _FEWEST_LETTERS <= len(words) <= _MOST_LETTERS:
        return None
    close = get_close_matches(words, _BY_INITIAL.get(words[0], ()), n=1, cutoff=0.75)
    return f"({close[0]})" if close and not all(map(is_word, words.split())) else None


def _is_unavailable(words: str) -> bool:
    parts = words.split()
    return (
        any(
            _UNAVAILABLE.fullmatch(part.lower()) and _may_stand_beside(parts[:index], parts[index + 1 :])
            for index, part in enumerate(parts)
        )
        or _UNAVAILABLE.fullmatch(words.lower()) is not None
    )


@lru_cache(maxsize=4096)
def _pause_mark(words: str) -> str | None:
    lower = words.lower()
    if timed := _TIMED_PAUSE.fullmatch(lower):
        unit = timed["unit"] or timed["unit2"]
        return f"[pause:{timed['after'] or timed['before']}{'ms' if unit.startswith('m') else 's'}]"
    pause = _PAUSE_WORDS.fullmatch(lower)
    if pause is None:
        return None
    seconds = SHORT_PAUSE if pause["short"] or pause["briefly"] else PAUSE
    seconds = LONG_PAUSE if pause["long"] or (pause["silence"] and not pause["short"]) else seconds
    return f"[pause:{round(1000 * seconds)}ms]"


def _plain(words: str) -> str:
    return " ".join(words.strip(" .!…").split())


__all__ = ["LONG_PAUSE", "PAUSE", "SHORT_PAUSE", "is_marked_sound", "marked_sounds", "sound_named", "sound_of"]
