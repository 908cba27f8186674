"""The training utterances: an endless, reproducible stream of texts and voices, some texts with sounds."""

import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from dia.training.mini.teacher.corpus import SEED_DIALOGUE, Utterance, split_of
from dia.training.mini.teacher.english import sentence, word_sequence
from dia.training.mini.teacher.sounds import SOUNDS
from dia.training.mini.teacher.voices import SPEAKERS, TRAINED

OWN_VOICES_SHARE = 0.62  # of the texts in the voices of [S1] and [S2]; the rest is for voice cloning


def utterances(seed: int = 0) -> Iterator[Utterance]:
    """`SEED_DIALOGUE` in both voices, then an endless stream; `speaker` is "S1", "S2" or the name of a voice.

    Of 100 texts 43 are sentences, 28 are sequences of 1 to 6 words of the word list, 14 are sequences of 1 to 4 words
    of a large dictionary, which has every pair of phones, and 15 contain sounds.
    """
    for speaker in SPEAKERS:
        for _, text in SEED_DIALOGUE:
            yield Utterance(text, speaker, "seed")
    rng = random.Random(seed)
    while True:
        text, kind = _text(rng)
        voice = rng.choice(list(SPEAKERS)) if rng.random() < OWN_VOICES_SHARE else str(rng.choice(TRAINED))
        if split_of(text) == "train" or kind in ("sentence", "sequence"):
            yield Utterance(text, voice, kind)


def _text(rng: random.Random) -> tuple[str, str]:
    fate = rng.random()
    if fate < 0.43:
        return sentence(rng), "sentence"
    if fate < 0.71:
        return word_sequence(rng, rng.randint(1, 6)), "sequence"
    if fate < 0.85:
        return word_sequence(rng, rng.randint(1, 4), dictionary()), "spelling"
    return with_sounds(rng), "sounds"


def with_sounds(rng: random.Random) -> str:
    """A sentence with a sound before it, after it or at a comma or full stop inside it; or a sound alone."""
    tag, fate = rng.choice(list(SOUNDS)), rng.random()
    if fate < 0.1:
        return tag
    text = sentence(rng)
    if fate < 0.3:
        return f"{tag} {text}"
    inner = [match.end() for match in re.finditer(r"[,.!] ", text)]
    if inner and fate < 0.6:
        place = rng.choice(inner)
        return f"{text[:place]}{tag} {text[place:]}"
    return f"{text} {tag}"


@cache
def dictionary() -> tuple[str, ...]:
    """The words of 3 to 11 letters in the recognizer's English dictionary, about 100,000, sorted."""
    return tuple(word for word in listed() if re.fullmatch(r"[a-z]{3,11}", word))


def listed() -> list[str]:
    """The words of the recognizer's English dictionary, sorted."""
    return sorted({line.split(maxsplit=1)[0] for line in listed_lines()})


def listed_lines() -> list[str]:
    """The recognizer's English dictionary: words and their phones.

    Raises:
        ImportError: pocketsphinx is not installed.
    """
    try:
        from pocketsphinx import get_model_path
    except ImportError as error:
        raise ImportError("the English dictionary is part of pocketsphinx. Run: pip install pocketsphinx") from error
    return Path(get_model_path("en-us/cmudict-en-us.dict")).read_text(encoding="utf-8").splitlines()
