"""What a listener hears: words through pocketsphinx, errors by edit distance, the pitch of a voice.

Knows waveforms, words and the recogniser; knows nothing of Dia. The recogniser is a loop over a closed vocabulary, so
it measures whether the right word was spoken, never whether the voice is pleasant.
"""

import math
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

Audio = NDArray[np.float32]

RECOGNISER_RATE = 16_000
EDGE_SECONDS = 0.2
EDGE_NOISE = 3e-4
# Alike to any ear: whichever the recogniser names, the word was spoken.
HOMOPHONES = {"here": "hear", "two": "to", "too": "to", "four": "for", "there": "their"}


def words_of(text: str) -> list[str]:
    """The spoken words of a script, lower case: speaker tags, non-verbal tags and punctuation are not spoken."""
    spoken = re.sub(r"\[S\d\]|\([a-z ]+\)", " ", text)
    return re.findall(r"[a-z']+", spoken.lower())


def edit_distance(reference: Sequence[str], heard: Sequence[str]) -> int:
    """Fewest insertions, deletions and substitutions that turn `heard` into `reference`; homophones are equal."""
    reference, heard = ([HOMOPHONES.get(word, word) for word in words] for words in (reference, heard))
    row = list(range(len(heard) + 1))
    for i, expected in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, word in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (expected != word))
    return row[-1]


def word_error_rate(references: Sequence[Sequence[str]], heard: Sequence[Sequence[str]]) -> float:
    """Edits over all items divided by reference words over all items."""
    edits = sum(edit_distance(r, h) for r, h in zip(references, heard, strict=True))
    return edits / max(1, sum(len(r) for r in references))


class Recogniser:
    """pocketsphinx listening for any sequence of the words of a vocabulary, every word as likely as any other.

    The loop is a uniform unigram model: the same language as a grammar that loops over the words, searched 25 times
    faster. The defaults were chosen on the teacher's speech.

    Raises:
        ImportError: pocketsphinx is not installed.
        ValueError: a word of the vocabulary has no known pronunciation.
    """

    def __init__(
        self, vocabulary: Iterable[str], language_weight: float = 2.0, word_insertion_penalty: float = 1e-3
    ) -> None:
        try:
            from pocketsphinx import Config, Decoder, get_model_path
        except ImportError as error:
            raise ImportError("the recogniser needs pocketsphinx: pip install 'dia-tts[benchmark]'") from error
        model = Path(get_model_path()) / "en-us"
        words = sorted(set(vocabulary))
        with tempfile.TemporaryDirectory() as folder:
            dictionary, loop = Path(folder) / "words.dict", Path(folder) / "loop.arpa"
            dictionary.write_text(_pronunciations(words, model / "cmudict-en-us.dict"), encoding="utf-8")
            loop.write_text(_uniform_model(words), encoding="utf-8")
            self._decoder = Decoder(
                Config(
                    hmm=str(model / "en-us"),
                    dict=str(dictionary),
                    lm=str(loop),
                    lw=language_weight,
                    wip=word_insertion_penalty,
                    loglevel="FATAL",
                )
            )

    def hear(self, waveform: Audio, sampling_rate: int) -> list[str]:
        """The words heard in a mono waveform [samples] in -1..1; an empty list where nothing was understood."""
        noise = np.random.default_rng(0)
        speech = soxr.resample(np.asarray(waveform, np.float32), sampling_rate, RECOGNISER_RATE)
        edge = int(EDGE_SECONDS * RECOGNISER_RATE)
        padded = np.pad(speech, edge) + EDGE_NOISE * noise.standard_normal(len(speech) + 2 * edge)
        pcm = (np.clip(padded, -1, 1) * 32767).astype(np.int16)
        self._decoder.start_utt()
        self._decoder.process_raw(pcm.tobytes(), full_utt=True)
        self._decoder.end_utt()
        heard = self._decoder.hyp()
        return [] if heard is None else [re.sub(r"\(\d+\)$", "", word) for word in heard.hypstr.split()]


def _pronunciations(words: Sequence[str], dictionary: Path) -> str:
    """The dictionary's lines for `words`, silences included."""
    wanted, known, lines = set(words), set[str](), list[str]()
    for line in dictionary.read_text(encoding="utf-8").splitlines():
        word = line.split(maxsplit=1)[0].split("(")[0]
        if word in wanted or "<" in word:
            known.add(word)
            lines.append(line)
    if wanted - known:
        raise ValueError(f"vocabulary has words the recogniser cannot pronounce: {', '.join(sorted(wanted - known))}")
    return "\n".join(lines) + "\n"


def _uniform_model(words: Sequence[str]) -> str:
    """A unigram model in ARPA format."""
    weight = -math.log10(len(words) + 1)
    entries = [f"{weight:.4f} </s>", "-99 <s> 0", *(f"{weight:.4f} {word} 0" for word in words)]
    return "\n".join(["\\data\\", f"ngram 1={len(entries)}", "", "\\1-grams:", *entries, "", "\\end\\", ""])


def median_pitch(waveform: Audio, sampling_rate: int, lowest: float = 60.0, highest: float = 350.0) -> float:
    """Median fundamental frequency in Hz over the voiced frames of a waveform [samples]; NaN without any.

    Normalised autocorrelation of 50 ms frames, one every 10 ms; a frame is voiced where its peak passes 0.5 and its
    level is within 30 dB of the loudest frame. Of near-equal peaks the shortest lag is taken: a multiple of the
    period correlates as well as the period does.
    """
    frames = _frames(np.asarray(waveform, np.float64), int(0.05 * sampling_rate), int(0.01 * sampling_rate))
    level = np.sqrt((frames**2).mean(-1))
    frames = frames[level > level.max(initial=0.0) * 10 ** (-30 / 20)]
    if len(frames) == 0:
        return float("nan")
    correlation = _autocorrelation(frames)
    shortest, longest = int(sampling_rate / highest), int(sampling_rate / lowest)
    candidates = correlation[:, shortest : longest + 1]
    best = candidates.max(-1)
    voiced = best > 0.5
    if not voiced.any():
        return float("nan")
    lags = shortest + _first_peak(candidates[voiced], 0.9 * best[voiced])
    return float(np.median(sampling_rate / lags))


def _frames(waveform: NDArray[np.float64], width: int, step: int) -> NDArray[np.float64]:
    padded = np.pad(waveform, (0, max(0, width - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[::step]
    return frames - frames.mean(-1, keepdims=True)


def _autocorrelation(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    width = frames.shape[-1]
    spectrum = np.fft.rfft(frames, 2 * width)
    raw = np.fft.irfft(np.abs(spectrum) ** 2)[:, :width]
    overlap = 1 - np.arange(width) / width
    return np.asarray(raw / np.maximum(raw[:, :1], 1e-12) / np.maximum(overlap, 0.1))


def _first_peak(correlation: NDArray[np.float64], threshold: NDArray[np.float64]) -> NDArray[np.int64]:
    inner = correlation[:, 1:-1]
    peak = (inner >= correlation[:, :-2]) & (inner >= correlation[:, 2:]) & (inner >= threshold[:, None])
    return np.where(peak.any(-1), 1 + peak.argmax(-1), correlation.argmax(-1))
