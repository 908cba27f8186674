"""The texts the mini model learns to speak: its vocabulary, a small grammar, random word sequences and their splits.

Knows words only. Knows nothing of audio, of the teacher's voices or of codes.
"""

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "heldout"]
SPEAKERS = ("S1", "S2")
HELDOUT_SHARE = 0.03

SEED_DIALOGUE = (
    ("S1", "Dia is an open weights text to dialogue model."),
    ("S2", "You get full control over scripts and voices."),
    ("S1", "Wow. Amazing. (laughs)"),
    ("S2", "Try it now on Git hub or Hugging Face."),
)

# Word classes of the grammar: a slot `{noun}` in TEMPLATES is filled from WORDS["noun"].
WORDS: dict[str, tuple[str, ...]] = {
    key: tuple(words.split())
    for key, words in {
        "person": "man woman child friend teacher doctor mother brother",
        "animal": "dog cat bird horse monkey",
        "object": "book table chair window house car boat picture story game phone computer letter model script "
        "bottle jacket apple flower mountain",
        "place": "city market school kitchen garden river island street",
        "stuff": "water coffee bread music snow money",
        "plural": "voices scripts people children pictures questions houses animals weights words",
        "unit": "minutes hours days years",
        "adjective": "big small old young happy quiet beautiful strange difficult red blue green yellow black warm "
        "cold long perfect simple wonderful open full amazing",
        "number": "two three four five six seven eight nine ten eleven twelve twenty thirty hundred",
        "past": "saw found bought wanted followed painted remembered opened carried heard lost loved",
        "verb": "see find buy take follow paint remember open carry hear keep love get control",
        "motion": "walk travel sleep wait work sing laugh stay",
        "modal": "can will should must",
        "time": "today tomorrow yesterday again always now",
        "opening": "yes no maybe please sorry hello wow well",
        "preposition": "in on under behind near over",
        "link": "with for about without before after",
        "possessive": "my your his our their",
        "subject": "i you he she we they",
        "object_pronoun": "me him her us them it",
        "asking": "where when why how",
        "determiner": "the this that every another",
    }.items()
}

# Words that stand in templates or in the seed's dialogue only.
_OTHER_WORDS = """
a an and or but the to from of is are was not do did have has there here what who very too because if then
thank good morning evening goodbye name speak listen dialogue text try git hub hugging face dia
first second last world voice one question answer never thousand only made
"""
TAGS = ("(laughs)",)

TEMPLATES = (
    "{subject} {past} {np}",
    "{subject} {past} {np} {where}",
    "{np} {past} {np}",
    "{np} {past} {number} {plural}",
    "{np} is {adjective}",
    "{np} was very {adjective}",
    "{np} is not {adjective} but {adjective}",
    "{subject} {modal} {verb} {np}",
    "{subject} {modal} {verb} {np} {time}",
    "{subject} {modal} {motion} {where}",
    "{subject} {modal} {motion} {where} {time}",
    "{modal} you {verb} {np}",
    "{modal} {subject} {verb} {number} {plural} {time}",
    "{asking} did {subject} {verb} {np}",
    "{asking} {modal} we {verb} {plural}",
    "who {past} {np}",
    "what did {np} {verb}",
    "there are {number} {plural} {where}",
    "there is {indefinite} {where}",
    "{opening}, {subject} {past} {np}",
    "{opening}, {np} is {adjective}",
    "{opening}. {np} was {adjective} and {adjective}",
    "{verb} {np} {time}",
    "please {verb} {number} {plural}",
    "{subject} {past} {stuff} and {stuff}",
    "{subject} {past} it because {np} was {adjective}",
    "if {subject} {verb} {np}, then {motion} {time}",
    "{subject} have {number} {plural}",
    "{np} has {number} {adjective} {plural}",
    "{number} {unit} {aftertime}",
    "{subject} {past} {object_pronoun} {number} {unit} {aftertime}",
    "{link} {np}, {subject} {past} {object_pronoun}",
    "good {daytime}, {person}",
    "good {daytime}, {subject} {past} {np}",
    "thank you for {np}",
    "thank you {link} {number} {unit}",
    "goodbye, {person} and {person}",
    "{possessive} name is {adjective}",
    "listen to {np}",
    "speak to {np} {time}",
    "the {ordinal} {question} is {adjective}",
    "the {ordinal} {object} is {where}",
    "the world is {adjective} and {adjective}",
    "only one {object} was {adjective}",
    "we never made {np}",
    "dia is {indefinite}",
    "dia is an open {weighty} {noun}",
    "dia {modal} speak {adjective} {plural}",
    "you get full control over {plural} and {plural}",
    "you get {adjective} {plural} and {plural}",
    "try it {time} on {hosts}",
    "try {np} on {hosts}",
    "text to {noun}",
    "wow. {adjective}",
    "amazing. {subject} {past} {np}",
)
PHRASES: dict[str, tuple[str, ...]] = {
    "np": (
        "{determiner} {noun}",
        "{determiner} {adjective} {noun}",
        "{possessive} {noun}",
        "{possessive} {adjective} {noun}",
        "{determiner} {noun} {link} {stuff}",
    ),
    "noun": ("{person}", "{animal}", "{object}", "{object}", "{place}"),
    "indefinite": ("a {bare}", "a {plain} {noun}"),
    "bare": ("man", "woman", "child", "friend", "doctor", "dog", "cat", "bird", "book", "table", "garden", "market"),
    "plain": ("big", "small", "young", "happy", "quiet", "strange", "red", "warm", "perfect", "simple", "wonderful"),
    "where": ("{preposition} the {place}", "{preposition} {possessive} {noun}", "here", "{preposition} a {bare}"),
    "aftertime": ("before the {place}", "after {stuff}", "{time}"),
    "daytime": ("morning", "evening"),
    "ordinal": ("first", "second", "last"),
    "question": ("question", "answer", "voice", "dialogue"),
    "weighty": ("weights", "text", "dialogue"),
    "hosts": ("git hub", "hugging face", "git hub or hugging face", "{determiner} {object}"),
}
PROPER = {"i": "I", "dia": "Dia"}


@dataclass(frozen=True)
class Utterance:
    """One turn of one speaker: `text` as typed by a user, without the speaker's tag; `kind` names its generator."""

    text: str
    speaker: str
    kind: str

    @property
    def split(self) -> Split:
        """The side of the split this text is on, for every speaker and every run."""
        return split_of(self.text)


def spoken_words(text: str) -> list[str]:
    """The words that are heard when `text` is spoken: lower case, no punctuation, no (tags)."""
    return re.findall(r"[a-z']+", re.sub(r"\([^)]*\)", " ", text.lower()))


def _seed_words() -> list[str]:
    return [word for _, text in SEED_DIALOGUE for word in spoken_words(text)]


def vocabulary() -> list[str]:
    """Every word the mini model knows, sorted."""
    return list(_VOCABULARY)


_GRAMMAR_WORDS = {word for group in WORDS.values() for word in group}
_VOCABULARY = tuple(sorted({*_GRAMMAR_WORDS, *_OTHER_WORDS.split(), *_seed_words()}))
_SEED_TEXTS = frozenset(" ".join(spoken_words(text)) for _, text in SEED_DIALOGUE)


def split_of(text: str) -> Split:
    """Train or held-out, decided by a hash of the spoken words; the seed's own sentences are always trained on."""
    key = " ".join(spoken_words(text))
    if key in _SEED_TEXTS:
        return "train"
    fraction = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") / 2**32
    return "heldout" if fraction < HELDOUT_SHARE else "train"


def sentence(rng: random.Random) -> str:
    """A grammatical sentence of 3 to 9 words, punctuated."""
    while True:
        plain = _fill(rng.choice(TEMPLATES), rng)
        if 3 <= len(spoken_words(plain)) <= 9:
            question = plain.split()[0] in (*WORDS["asking"], *WORDS["modal"], "who", "what")
            return typeset(plain, "?" if question else rng.choice(".....!"))


def _fill(template: str, rng: random.Random) -> str:
    def replace(slot: re.Match[str]) -> str:
        name = slot.group(1)
        return _fill(rng.choice(PHRASES[name]), rng) if name in PHRASES else rng.choice(WORDS[name])

    return re.sub(r"\{(\w+)\}", replace, template)


def word_sequence(rng: random.Random, length: int) -> str:
    """`length` words drawn evenly from the vocabulary: nothing in it can be guessed from its beginning."""
    words = rng.choices(_VOCABULARY, k=length)
    joints = [rng.choice([" "] * 12 + [", ", ". "]) for _ in words[1:]] + [""]
    return typeset("".join(word + joint for word, joint in zip(words, joints, strict=True)), rng.choice(".....!?"))


def typeset(plain: str, ending: str) -> str:
    """`plain` lower-case words with inner punctuation → capitals where a user types them, and an ending mark.

    >>> typeset("wow. dia can speak", ".")
    'Wow. Dia can speak.'
    """
    proper = re.sub(r"[a-z']+", lambda word: PROPER.get(word.group(), word.group()), plain)
    proper = proper.replace("hugging face", "Hugging Face").replace("git hub", "Git hub")
    return re.sub(r"(^|[.!?] )([a-z])", lambda start: start.group(1) + start.group(2).upper(), proper) + ending


def _draw(rng: random.Random) -> tuple[str, str]:
    fate = rng.random()
    if fate < 0.40:
        text, kind = sentence(rng), "sentence"
    else:
        length = rng.randint(1, 4) if fate < 0.85 else rng.randint(5, 6)
        text, kind = word_sequence(rng, length), "sequence"
    return (f"{text} {rng.choice(TAGS)}", kind) if rng.random() < 0.02 else (text, kind)


def utterances(seed: int = 0) -> Iterator[Utterance]:
    """An endless, reproducible stream of utterances: the seed's dialogue in both voices, then 40 % sentences,
    45 % sequences of 1 to 4 words and 15 % of 5 or 6. No text comes twice in one voice."""
    for speaker in SPEAKERS:
        for _, text in SEED_DIALOGUE:
            yield Utterance(text, speaker, "seed")
    rng, seen = random.Random(seed), {(text, speaker) for text in _SEED_TEXTS for speaker in SPEAKERS}
    while True:
        (text, kind), speaker = _draw(rng), rng.choice(SPEAKERS)
        key = (" ".join(spoken_words(text)), speaker)
        if key not in seen:
            seen.add(key)
            yield Utterance(text, speaker, kind)
