"""Recognize words with pocketsphinx, and count errors by edit distance. Independent of Dia.

The recognizer loops over a closed vocabulary, so it measures whether the right word was spoken, not whether the voice
sounds pleasant.
"""

import math
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import soxr

from dia.audio.waveform import Waveform
from dia.text import edit_distance as distance

RECOGNIZER_RATE = 16_000
EDGE_SECONDS = 0.2
EDGE_NOISE = 3e-4
Pronunciations = dict[str, frozenset[str]]


def words_of(text: str) -> list[str]:
    """The spoken words of a script, lower case: speaker tags, non-verbal tags and punctuation are not spoken."""
    spoken = re.sub(r"\[S\d\]|\([a-z ]+\)", " ", text)
    return re.findall(r"[a-z']+", spoken.lower())


def edit_distance(reference: Sequence[str], heard: Sequence[str], spoken: Pronunciations | None = None) -> int:
    """Fewest insertions, deletions and substitutions that turn `heard` into `reference`.

    Words that share one of their pronunciations in `spoken` are equal, because they sound the same.
    """
    return distance.edit_distance(reference, heard, lambda first, second: alike(first, second, spoken or {}))


def alike(first: str, second: str, spoken: Pronunciations) -> bool:
    """Whether two words are the same, or can be pronounced the same.

    >>> alike("here", "hear", {"here": frozenset({"HH IY R"}), "hear": frozenset({"HH IY R"})})
    True
    """
    return first == second or bool(spoken.get(first, frozenset()) & spoken.get(second, frozenset()))


def pronunciations(lines: Iterable[str]) -> Pronunciations:
    """The ways to say each word, from the lines of a dictionary such as `read(2) R IY D`."""
    found: dict[str, set[str]] = {}
    for line in lines:
        word, sounds = line.split(maxsplit=1)
        found.setdefault(word.split("(")[0], set()).add(" ".join(sounds.split()))
    return {word: frozenset(ways) for word, ways in found.items()}


class Recognizer:
    """pocketsphinx with a vocabulary: any sequence of its words, each equally likely.

    The loop is a uniform unigram model: the same language as a grammar that loops over the words, searched 25 times
    faster. The defaults, and the one pass over the utterance, were chosen on the teacher's speech of 3,191 words: no
    others were better by more than a word in a hundred, and a second pass takes two thirds longer and changes nothing.

    Raises:
        ImportError: pocketsphinx is not installed.
        ValueError: a word of the vocabulary has no known pronunciation.
    """

    def __init__(
        self, vocabulary: Iterable[str], language_weight: float = 5.0, word_insertion_penalty: float = 1e-2
    ) -> None:
        try:
            from pocketsphinx import Config, Decoder, get_model_path
        except ImportError as error:
            raise ImportError("the recognizer needs pocketsphinx: pip install pocketsphinx") from error
        model = Path(get_model_path()) / "en-us"
        words = sorted(set(vocabulary))
        with tempfile.TemporaryDirectory() as folder:
            dictionary, loop = Path(folder) / "words.dict", Path(folder) / "loop.arpa"
            lines = _dictionary_lines(words, model / "cmudict-en-us.dict")
            dictionary.write_text("\n".join(lines) + "\n", encoding="utf-8")
            loop.write_text(_uniform_model(words), encoding="utf-8")
            self._spoken = pronunciations(lines)
            self._decoder = Decoder(
                Config(
                    hmm=str(model / "en-us"),
                    dict=str(dictionary),
                    lm=str(loop),
                    lw=language_weight,
                    wip=word_insertion_penalty,
                    fwdflat=False,
                    loglevel="FATAL",
                )
            )

    def hear(self, waveform: Waveform, sampling_rate: int) -> list[str]:
        """The words heard in a mono waveform [samples] in -1..1; empty if none were recognized."""
        if len(waveform) < sampling_rate // 10:
            return []
        noise = np.random.default_rng(0)
        speech = soxr.resample(np.asarray(waveform, np.float32), sampling_rate, RECOGNIZER_RATE)
        edge = int(EDGE_SECONDS * RECOGNIZER_RATE)
        padded = np.pad(speech, edge) + EDGE_NOISE * noise.standard_normal(len(speech) + 2 * edge)
        pcm = (np.clip(padded, -1, 1) * 32767).astype(np.int16)
        self._decoder.start_utt()
        self._decoder.process_raw(pcm.tobytes(), full_utt=True)
        self._decoder.end_utt()
        heard = self._decoder.hyp()
        return [] if heard is None else [re.sub(r"\(\d+\)$", "", word) for word in heard.hypstr.split()]

    def errors(self, text: str, waveform: Waveform, sampling_rate: int) -> tuple[int, int]:
        """Word errors in what is heard of `text`, and its words."""
        reference = words_of(text)
        return edit_distance(reference, self.hear(waveform, sampling_rate), self._spoken), len(reference)


def _dictionary_lines(words: Sequence[str], dictionary: Path) -> list[str]:
    """The dictionary's lines for `words`, silences included."""
    wanted, known, lines = set(words), set[str](), list[str]()
    for line in dictionary.read_text(encoding="utf-8").splitlines():
        word = line.split(maxsplit=1)[0].split("(")[0]
        if word in wanted or "<" in word:
            known.add(word)
            lines.append(line)
    if wanted - known:
        raise ValueError(f"vocabulary has words the recognizer cannot pronounce: {', '.join(sorted(wanted - known))}")
    return lines


def _uniform_model(words: Sequence[str]) -> str:
    """A unigram model in ARPA format."""
    weight = -math.log10(len(words) + 1)
    entries = [f"{weight:.4f} </s>", "-99 <s> 0", *(f"{weight:.4f} {word} 0" for word in words)]
    return "\n".join(["\\data\\", f"ngram 1={len(entries)}", "", "\\1-grams:", *entries, "", "\\end\\", ""])
