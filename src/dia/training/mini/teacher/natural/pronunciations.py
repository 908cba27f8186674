"""The teachers' pronunciations in the phones of `dia.text.lexicon`: those of a clip's labels, and those of words.

`python -m dia.training.mini.teacher.natural.pronunciations OUT` writes the lexicon of the embedded model. It comes
from hibari's grapheme-to-phoneme code, which also reads for Kokoro: the phones of a word are those that were spoken.
"""

import argparse
import re
import string
from collections.abc import Iterable, Sequence
from pathlib import Path

from dia.text.lexicon import Pronunciations
from dia.text.tags import NON_VERBAL_TAGS
from dia.training.mini.teacher.natural import packages
from dia.training.mini.teacher.natural.teachers.teacher import Label, respelled
from dia.training.mini.teacher.texts import listed, listed_lines

# The symbols of the teachers' phonetic alphabet. The digit of a vowel is its stress: 1 primary, 2 secondary, 0 none.
CONSONANTS = {symbol: symbol for symbol in "bdfklmnpstvwz"} | {
    "h": "hh", "j": "y", "ɡ": "g", "ŋ": "ng", "ɹ": "r", "ʃ": "sh", "ʒ": "zh", "ʤ": "jh", "ʧ": "ch",
    "θ": "th", "ð": "dh", "T": "dx", "ɾ": "dx", "ʔ": "t",
}  # fmt: skip
VOWELS = {
    "A": "ey", "I": "ay", "O": "ow", "W": "aw", "Y": "oy", "i": "iy", "u": "uw", "æ": "ae", "ɑ": "aa", "ɔ": "ao",
    "ə": "ax", "ɐ": "ax", "ᵊ": "ax", "ɛ": "eh", "ɜ": "er", "ɪ": "ih", "ʊ": "uh", "ʌ": "ah", "ᵻ": "ix",
    "ɜɹ": "er", "əɹ": "er",  # two symbols, one phone
    "Q": "ow", "a": "ae", "ɒ": "aa",  # British; a long vowel has the name of the short one
}  # fmt: skip
SYLLABIC = {"ᵊl": "el", "ᵊm": "em", "ᵊn": "en"}
PUNCTUATION = ';:,.!?—…"()“” '
_STRESSES = {"ˈ": "1", "ˌ": "2", "": "0"}
_SOUND = re.compile(
    rf"(?P<syllabic>{'|'.join(SYLLABIC)})"
    rf"|(?P<stress>[ˈˌ]?)(?P<vowel>{'|'.join(sorted(VOWELS, key=len, reverse=True))})ː?"
    rf"|(?P<consonant>[{''.join(CONSONANTS)}])|(?P<mark>[{re.escape(PUNCTUATION)}])"
)

# How a word is given to the teacher if not as it is: written otherwise, or with the tag of its part of speech. Most of
# them have several pronunciations. Which one comes more often was counted in 12,000 texts of the corpus.
READ_AS = {
    "a": ("a", "DT"),
    "abuse": ("abuse", "NN"),
    "august": ("August", "NNP"),
    "contents": ("contents", "NN"),
    "dia": (respelled("Dia"), ""),
    "github": ("GitHub", ""),
    "i": ("I", "PRP"),
    "in": ("in", "IN"),
    "live": ("live", "VB"),
    "lived": ("lived", "VBD"),
    "lives": ("lives", "VBZ"),
    "permit": ("permit", "VB"),
    "wifi": ("WiFi", ""),
}
CAPITALS = ("AI", "AM", "CPU", "GPU", "HTML", "TV", "US")  # not words; they are looked up before the lower-case form
# Words without a vowel that are not spelled out.
NOISES = {"br", "brr", "brrr", "grr", "grrr", "hm", "hmm", "hmmm", "mhm", "mm", "mmm", "pst", "psst"}
NOISES |= {"sh", "shh", "shhh", "tsk", "zzz"}


def phones_of_labels(labels: Sequence[Label]) -> list[Label]:
    """Labels of phones and marks, out of those of a teacher's symbols.

    The mark of stress, the vowel and what follows it in the same phone become one label. A space stands between words.

    >>> phones_of_labels([Label("ˈ", 0.0, 0.1), Label("ɜ", 0.1, 0.2), Label("ɹ", 0.2, 0.3), Label(".", 0.3, 0.5)])
    [Label(phone='er1', start=0.0, end=0.3), Label(phone='.', start=0.3, end=0.5)]
    """
    found = _SOUND.finditer("".join(label.phone for label in labels))
    return [Label(_name(sound), labels[sound.start()].start, labels[sound.end() - 1].end) for sound in found]


def phones_of_symbols(symbols: str) -> list[str]:
    """The names of the phones in a teacher's symbols.

    >>> phones_of_symbols("bˈɑTᵊl")
    ['b', 'aa1', 'dx', 'el']
    """
    return [_name(sound) for sound in _SOUND.finditer(symbols) if not sound["mark"]]


def _name(sound: re.Match[str]) -> str:
    if sound["vowel"]:
        return VOWELS[sound["vowel"]] + _STRESSES[sound["stress"]]
    if sound["syllabic"]:
        return SYLLABIC[sound["syllabic"]]
    return CONSONANTS[sound["consonant"]] if sound["consonant"] else sound["mark"]


class Reader:
    """Reads single words as the teachers do.

    Raises:
        ImportError: hibari-tts is not installed in the version of `packages.PYTHON_PACKAGES`.
    """

    def __init__(self) -> None:
        packages.need("onnxruntime", "hibari-tts")
        from hibari.g2p import G2P
        from hibari.g2p.token import Tok

        self._reader, self._token = G2P(), Tok

    def __call__(self, word: str, tag: str = "") -> str:
        """The symbols of a word in front of another word that starts with a consonant.

        Args:
            word: letters and apostrophes.
            tag: of the Penn Treebank; empty for the word's usual part of speech.
        """
        tokens = [self._token(word, tag, " "), self._token("now", "RB", "")]
        return "".join(token.phonemes or "" for token in self._reader.phonemize_tokens(tokens)[:-1])

    def knows(self, word: str) -> bool:
        """Whether the word is in the lexicon, so that its letters are not guessed from."""
        lexicon = self._reader.lexicon
        return word in lexicon.golds or word in lexicon.silvers

    def words(self) -> set[str]:
        """The words of the checked part of the lexicon, in lower case."""
        return {word.lower() for word in self._reader.lexicon.golds.d}

    def spelled(self, capitals: str) -> str:
        """The symbols of an abbreviation, letter by letter."""
        symbols: str = self._reader.lexicon.get_NNP(capitals)[0]
        return symbols


def pronounce(words: Iterable[str], reader: Reader | None = None) -> Pronunciations:
    """The phones of each word, of the letters, and of some abbreviations.

    Effects of neighboring words, such as *the* before a vowel, are ignored. A word that is not in the teacher's
    lexicon is read with a capital, because most of these words are names.

    Args:
        words: in lower case.
        reader: by default hibari's.

    Raises:
        ImportError: hibari-tts or pocketsphinx is not installed.
    """
    read = reader or Reader()
    said = {f"{letter}.": phones_of_symbols(read(letter, "NN")) for letter in string.ascii_uppercase}
    spelled = spelled_out()
    for word in sorted(set(words)):
        written, tag = READ_AS.get(word, (word if read.knows(word) else word.capitalize(), ""))
        phones = phones_of_symbols(read(written, tag))
        spoken = word not in spelled and not _unspeakable(word, phones)
        said[word] = phones if spoken else phones_of_symbols(read.spelled(word.upper()))
    said |= {word: phones_of_symbols(read.spelled(word)) for word in CAPITALS}
    names = sorted({phone for phones in said.values() for phone in phones})
    return Pronunciations(names, {word: " ".join(phones) for word, phones in said.items() if phones}, NON_VERBAL_TAGS)


def _unspeakable(word: str, phones: Sequence[str]) -> bool:
    """Whether a word has no vowel and is not one of `NOISES`, such as `gps`."""
    vowel = re.search("[012]|el|em|en", " ".join(phones))
    return len(word) > 1 and not re.search("[aeiouy.']", word) and not vowel and word not in NOISES


def spelled_out() -> set[str]:
    """Words that the recognizer's dictionary pronounces letter by letter, such as `bbc`."""
    phones = {line.split()[0]: line.split()[1:] for line in listed_lines()}
    names = {letter: phones.get(f"{letter}.", phones.get(letter, [])) for letter in string.ascii_lowercase}
    short = (word for word in phones if 2 <= len(word) <= 5 and set(word) <= set(names))
    return {word for word in short if phones[word] == [phone for letter in word for phone in names[letter]]}


def english_words(reader: Reader | None = None) -> list[str]:
    """The words of the recognizer's English dictionary and of the teacher's lexicon, about 173,000, sorted.

    They consist of letters and apostrophes.
    """
    words = {*listed(), *(reader or Reader()).words()}
    return sorted(word for word in words if re.fullmatch(r"[a-z]+(?:'[a-z]+)*", word))


def write_lexicon(path: Path, words: Sequence[str] | None = None, marks: Sequence[str] = ()) -> Pronunciations:
    """Write the pronunciations of `words`, by default `english_words`, for `Pronunciations.load`; returns them.

    Args:
        path: the file to write.
        words: to look up.
        marks: of a speaker encoder, which follow the phones.

    Raises:
        ImportError: hibari-tts or pocketsphinx is not installed.
        OSError: the file cannot be written.
    """
    reader = Reader()
    found = pronounce(english_words(reader) if words is None else words, reader)
    found = Pronunciations([*found.phones, *marks], found.words, found.tags)
    found.save(path)
    return found


def main() -> None:
    """`python -m dia.training.mini.teacher.natural.pronunciations OUT`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the file to write, such as pronunciations.txt.gz")
    parser.add_argument("--words", type=Path, help="text file with the words (default: those of two dictionaries)")
    arguments = parser.parse_args()
    words = arguments.words.read_text(encoding="utf-8").lower().split() if arguments.words else None
    found = write_lexicon(arguments.out, words)
    print(f"{len(found.words):,} words of {len(found.phones)} phones in {arguments.out}")


if __name__ == "__main__":
    main()
