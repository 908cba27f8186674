"""The teacher's pronunciations of English words: `python -m dia.training.mini.teacher.lexicon OUT`."""

import argparse
import ctypes
import re
import string
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dia.text.lexicon import Pronunciations
from dia.text.tags import NON_VERBAL_TAGS
from dia.training.mini.teacher.texts import listed, listed_lines

# Words that flite gets wrong, and capitals that are not words; they are looked up before the lower-case form.
OWN = {
    "git": "g ih1 t",
    "github": "g ih1 t hh ah1 b",
    "wifi": "w ay1 f ay0",
    "A.": "ey1",
    "AI": "ey1 ay1",
    "AM": "ey1 eh1 m",
    "CPU": "s iy1 p iy1 y uw1",
    "GPU": "jh iy1 p iy1 y uw1",
    "HTML": "ey1 ch t iy1 eh1 m eh1 l",
    "TV": "t iy1 v iy1",
    "US": "y uw1 eh1 s",
}
# Words without a vowel that are not spelt out.
NOISES = {"br", "brr", "brrr", "grr", "grrr", "hm", "hmm", "hmmm", "mhm", "mm", "mmm", "pst", "psst"}
NOISES |= {"sh", "shh", "shhh", "tsk", "zzz"}


def pronounce(words: Iterable[str]) -> Pronunciations:
    """The phones of each word, from flite's lexicon or else its letter-to-sound rules.

    The last digit of a phone is its stress. Effects of neighbouring words, such as *the* before a vowel, are ignored.

    Raises:
        OSError: flite's libraries are not installed.
    """
    look_up = _lexicon()
    letters = {f"{letter.upper()}.": letter for letter in string.ascii_lowercase}
    wanted = {word: word for word in sorted(set(words))} | letters
    said = {word: " ".join(look_up(asked)) for word, asked in wanted.items()} | {"A.": OWN["A."]}
    spelt = wanted.keys() & (spelt_out() | {word for word in wanted if _unspeakable(word, said[word])})
    said |= {word: " ".join(said[f"{letter}."] for letter in word.upper()) for word in sorted(spelt)}
    said = {word: phones for word, phones in (said | OWN).items() if phones}
    phones = sorted({phone for line in said.values() for phone in line.split()})
    return Pronunciations(phones, said, NON_VERBAL_TAGS)


def _lexicon() -> Callable[[str], list[str]]:
    try:
        flite, lexicon = (ctypes.CDLL(f"libflite{name}.so.1", mode=ctypes.RTLD_GLOBAL) for name in ("", "_cmulex"))
    except OSError as error:
        raise OSError(
            f"flite, which pronounces the words, cannot be loaded: {error}. Run: apt install flite"
        ) from error
    handle = ctypes.c_void_p
    for function in (lexicon.cmu_lex_init, flite.lex_lookup, flite.val_car, flite.val_cdr):
        function.restype = handle
    flite.lex_lookup.argtypes = [handle, ctypes.c_char_p, ctypes.c_char_p, handle]
    for function in (flite.val_car, flite.val_cdr, flite.val_string):
        function.argtypes = [handle]
    flite.val_string.restype = ctypes.c_char_p
    flite.flite_init()
    words = lexicon.cmu_lex_init()

    def look_up(word: str) -> list[str]:
        found: Any = flite.lex_lookup(words, word.encode("ascii"), None, None)
        phones = []
        while found:
            phones.append(flite.val_string(flite.val_car(found)).decode("ascii"))
            found = flite.val_cdr(found)
        return phones

    return look_up


def _unspeakable(word: str, phones: str) -> bool:
    """Whether a word has no vowel and is not one of `NOISES`, such as `gps`."""
    return (
        len(word) > 1 and not re.search("[aeiouy.']", word) and not re.search("[012]", phones) and word not in NOISES
    )


def spelt_out() -> set[str]:
    """Words that the recogniser's dictionary pronounces letter by letter, such as `bbc`."""
    phones = {line.split()[0]: line.split()[1:] for line in listed_lines()}
    names = {letter: phones.get(f"{letter}.", phones.get(letter, [])) for letter in string.ascii_lowercase}
    short = (word for word in phones if 2 <= len(word) <= 5 and set(word) <= set(names))
    return {word for word in short if phones[word] == [phone for letter in word for phone in names[letter]]}


def english_words() -> list[str]:
    """The words of the recogniser's English dictionary that consist of letters and apostrophes, about 124,000."""
    return [word for word in listed() if re.fullmatch(r"[a-z]+(?:'[a-z]+)*", word)]


def main() -> None:
    """`python -m dia.training.mini.teacher.lexicon OUT`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the file to write, such as pronunciations.txt.gz")
    parser.add_argument("--words", type=Path, help="text file with the words (default: the recogniser's dictionary)")
    arguments = parser.parse_args()
    words = arguments.words.read_text(encoding="utf-8").lower().split() if arguments.words else english_words()
    found = pronounce(words)
    found.save(arguments.out)
    print(f"{len(found.words):,} words of {len(found.phones)} phones in {arguments.out}")


if __name__ == "__main__":
    main()
