"""Random English texts: a word list of 3,000 words by class, sentences of a grammar, and sequences of any words."""

import random
import re
from functools import cache
from pathlib import Path

LEXICON = Path(__file__).with_name("english.txt")

PHRASES: dict[str, tuple[str, ...]] = {
    "np": (
        "{determiner} {noun}",
        "{determiner} {adjective} {noun}",
        "{possessive} {noun}",
        "{possessive} {adjective} {noun}",
        "{possessive} {ordinal} {noun}",
        "{determiner} {noun} of {determiner} {noun}",
        "the {noun} {preposition} the {noun}",
        "{someone}",
    ),
    "nps": (
        "{plural}",
        "{many} {plural}",
        "{many} {adjective} {plural}",
        "the {plural}",
        "{possessive} {adjective} {plural}",
        "{plural} and {plural}",
    ),
    "any": ("{np}", "{np}", "{nps}"),
    "place": ("{preposition} the {noun}", "{preposition} {possessive} {noun}", "{preposition} the {adjective} {noun}"),
    "when": ("{time}", "on {day}", "in {month}", "{number} {span} ago", "after {number} {span}", "every {day}"),
    "span": ("days", "hours", "years", "weeks", "minutes", "months", "seconds"),
    "quality": ("{adjective}", "very {adjective}", "{adverb} {adjective}", "not {adjective}", "too {adjective}"),
    "doing": ("{gerund} {any}", "{gerund} {place}", "{gerund} {adverb}"),
    "act": ("{past} {any}", "{past} {any} {place}", "{past} {adverb}", "{adverb} {past} {any}"),
    "deed": ("{verb} {any}", "{verb} {place}", "{verb} {adverb}", "{verb} {any} {when}"),
}
TEMPLATES = (
    "{pronoun} {act}",
    "{pronoun} {act} {when}",
    "{np} {act}",
    "{nps} {act}",
    "{np} {third} {any}",
    "{np} {third} {any} {when}",
    "{pronoun} {modal} {deed}",
    "{pronoun} {modal} not {deed}",
    "{modal} {pronoun} {deed}?",
    "{np} is {quality}",
    "{np} was {quality}",
    "{nps} are {quality}",
    "{nps} were {quality} and {adjective}",
    "{np} is {doing}",
    "{pronoun} {frequency} {past} {any}",
    "{asking} did {pronoun} {deed}?",
    "{asking} is {np}?",
    "{asking} are {nps}?",
    "who {past} {any}?",
    "what did {np} {verb}?",
    "what is {possessive} {noun}?",
    "do you {deed}?",
    "does {np} {deed}?",
    "have you {past} {any}?",
    "there is a {noun} {place}",
    "there are {nps} {place}",
    "there was no {noun} {when}",
    "{deed}, please",
    "please {deed}",
    "{verb} {any} and {verb} {any}",
    "don't {deed}",
    "let us {deed}",
    "{opening}. {pronoun} {act}",
    "{opening}, {np} is {quality}",
    "{opening}! {asking} is {np}?",
    "{contraction} {quality}",
    "{contraction} {doing}",
    "{pronoun} {refusal} {deed}",
    "{pronoun} {act} {conjunction} {pronoun} {act}",
    "{conjunction} {pronoun} {act}, {pronoun} {act}",
    "if {pronoun} {past} {any}, {pronoun} {modal} {deed}",
    "{np} and {np} {act}",
    "{pronoun} had {number} {plural}",
    "{number} and {number} is {number}",
    "the {ordinal} {noun} is {quality}",
    "it is {number} {number}",
    "see you {when}",
    "thank you for {any}",
    "good {noun}, {opening}",
    "my name is {noun}",
    "{pronoun} {past} {object} {place}",
    "{pronoun} {past} {object} and {past} {object}",
    "{np}, {np} and {np}",
    "{adverb}, {pronoun} {act}",
    "{gerund} {any} is {quality}",
    "{pronoun} wanted to {deed}",
    "{pronoun} need to {deed}",
    "i think {np} is {quality}",
    "she said {np} was {quality}",
    "they are as {adjective} as {np}",
    "{quality}, but {quality}",
    "more {plural} than {plural}",
)
PROPER = re.compile(
    r"\b(i|i'm|i'll|i've|dia|monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|april|june|july|"
    r"august|september|october|november|december)\b"
)


@cache
def lexicon() -> dict[str, tuple[str, ...]]:
    """The words of each class."""
    classes: dict[str, list[str]] = {}
    for line in LEXICON.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            words = classes.setdefault(line.strip("[]"), [])
        elif not line.startswith("#"):
            words.extend(line.split())
    return {name: tuple(words) for name, words in classes.items()}


@cache
def vocabulary() -> tuple[str, ...]:
    """Every word of the word list, sorted."""
    return tuple(sorted({word for words in lexicon().values() for word in words}))


def sentence(rng: random.Random, shortest: int = 2, longest: int = 14) -> str:
    """A grammatical sentence of `shortest` to `longest` words, with punctuation; it need not make sense."""
    while True:
        plain = _articles(_fill(rng.choice(TEMPLATES), rng))
        if shortest <= len(plain.split()) <= longest:
            asked = plain.endswith("?")
            return typeset(plain.rstrip("?"), "?" if asked else rng.choice(".....!"))


def word_sequence(rng: random.Random, length: int, words: tuple[str, ...] | None = None) -> str:
    """`length` words drawn uniformly from `words`, by default the word list, so that none can be predicted."""
    chosen = rng.choices(words or vocabulary(), k=length)
    joints = [rng.choice([" "] * 12 + [", ", ". "]) for _ in chosen[1:]] + [""]
    return typeset("".join(word + joint for word, joint in zip(chosen, joints, strict=True)), rng.choice(".....!?"))


def typeset(plain: str, ending: str) -> str:
    """Add capitals and the final mark `ending` to lower-case words with inner punctuation.

    >>> typeset("yes. i think dia can speak on monday", "!")
    'Yes. I think Dia can speak on Monday!'
    """
    proper = PROPER.sub(lambda word: word.group().capitalize(), plain)
    return re.sub(r"(^|[.!?] )([a-z])", lambda start: start.group(1) + start.group(2).upper(), proper) + ending


def _fill(template: str, rng: random.Random) -> str:
    def replace(slot: re.Match[str]) -> str:
        name = slot.group(1)
        return _fill(rng.choice(PHRASES[name]), rng) if name in PHRASES else rng.choice(lexicon()[name])

    return re.sub(r"\{(\w+)\}", replace, template)


def _articles(plain: str) -> str:
    return re.sub(r"\ba (?=[aeio]|un[^i]|u[gmnp])", "an ", plain)
