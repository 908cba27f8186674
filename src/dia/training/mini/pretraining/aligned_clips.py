"""Read a code cache as training clips: texts as phones, and for each frame the position in the text being spoken."""

import random
import re
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dia.codec.speaker_encoder import SpeakerEncoder
from dia.text.lexicon import Pronunciations
from dia.text.prompt_format import with_final_stops
from dia.text.tags import SPEAKERS
from dia.training.data.dialogues import LEADING_TAG, Clip, marked, spell
from dia.training.data.encoding import CodeCache, CodedClip
from dia.training.mini.pretraining.alignment import Floats, Heard, places
from dia.training.mini.pretraining.readings import as_spoken
from dia.training.mini.teacher.natural.teachers.changed_voice import unchanged

LETTERS = 0.1  # share of the words that keep their letters although their phones are known
CLOSED = 0.5  # share of the texts without a final stop that get one, as the prompt format closes texts
_WORD = re.compile(r"\[[^\]]*\]|\([^)]*\)|\{[^}]*\}|[A-Za-z']+")


def read_clips(
    folder: Path, pronunciations: Pronunciations | None = None, speaker_encoder: SpeakerEncoder | None = None
) -> tuple[list[Clip], list[Clip], int]:
    """Read the code cache in `folder`: training clips, held-out clips and the codebook size.

    The same words in the same voice, encoded several times, are one clip. Half of the texts without a final stop get
    one, so that the model ends after both. With pronunciations, texts are converted to phones: those of the
    dictionary, as in the tokenizer, and those of the clip for words that are spoken otherwise in it, such as *read*
    and *live*. In half of the training clips a fifth of the words keep their letters, so that the model also learns
    words that have no pronunciation. Training clips that are one recording in several voices are `disguised` as each
    other.

    Args:
        folder: of the code cache; its clips have labels.
        pronunciations: of the words; None keeps texts as letters.
        speaker_encoder: gives the training clips their `marks`, which must be phones of `pronunciations`.

    Raises:
        ValueError: the folder contains no codes, or clips without labels.
    """
    cache = CodeCache(folder)
    if any(not row.labels for row in cache.rows):
        raise ValueError(f"folder {folder} holds clips without times of phones. Encode a corpus with labels.")
    frame, rate = cache.codec.hop_length, cache.codec.sampling_rate
    learned, held_out = (
        _clips((row for row in cache.rows if row.split == split), pronunciations, letters, frame, rate)
        for split, letters in (("train", LETTERS), ("heldout", 0.0))
    )
    if speaker_encoder is not None and pronunciations is not None:
        learned = [marked(clip, speaker_encoder, pronunciations) for clip in learned]
    return _disguised(learned), held_out, cache.codec.codebook_size


def validation_clips(held_out: Sequence[Clip], count: int = 192) -> list[Clip]:
    """`count` of the held-out clips, the same number of each speaker."""
    return [clip for speaker in SPEAKERS for clip in [c for c in held_out if c.speaker == speaker][: count // 2]]


def _clips(rows: Iterable[CodedClip], known: Pronunciations | None, letters: float, hop: int, rate: int) -> list[Clip]:
    clips: dict[tuple[str, str], Clip] = {}
    for row in rows:
        text = text_of(row, known, letters)
        clip = clips.setdefault((row.speaker, text), Clip([], text, row.speaker, []))
        clip.codes.append(torch.from_numpy(row.codes.astype("int16")))
        seconds = ((np.arange(len(row.codes)) + 0.5) * hop - row.shift) / rate
        assert isinstance(clip.places, list)
        clip.places.append(_placed(text, heard_in(row, known), seconds))
    return list(clips.values())


def _disguised(clips: Iterable[Clip]) -> list[Clip]:
    """The clips, each with the first codes of those that have its text, its length, and its voice before a change."""
    groups: dict[tuple[str, str, int], list[Clip]] = {}
    for clip in clips:
        groups.setdefault((unchanged(clip.speaker), clip.text, len(clip.codes[0])), []).append(clip)
    return [
        clip._replace(disguised=[other.codes[0] for other in group if other is not clip])
        for group in groups.values()
        for clip in group
    ]


def text_of(row: CodedClip, known: Pronunciations | None, letters: float) -> str:
    """The text of a clip as the model reads it, with a speaker's tag.

    Args:
        row: the clip.
        known: pronunciations of the words; None keeps letters.
        letters: share of the words that keep their letters although their phones are known.
    """
    rng = random.Random(zlib.crc32(f"{unchanged(row.speaker)} {row.text}".encode()))
    tag = row.speaker if row.speaker in SPEAKERS else SPEAKERS[0]
    words = with_final_stops(row.text) if rng.random() < CLOSED else row.text
    if known is None:
        return f"[{tag}] {words}"
    if row.speaker in SPEAKERS:  # other voices may have another accent, which is no matter of the text
        words = as_spoken(words, row.labels.split("\t"), known)
    kept = 2 * letters if rng.random() < 0.5 else 0.0
    if not kept:
        return f"[{tag}] {known.to_phones(words)}"
    return f"[{tag}] {_WORD.sub(lambda word: word[0] if rng.random() < kept else known.to_phones(word[0]), words)}"


def heard_in(row: CodedClip, known: Pronunciations | None) -> Heard:
    """The labels of a clip in the characters of its text."""
    characters, times = list[str](), list[tuple[float, float]]()
    for label, (start, end) in zip(row.labels.split("\t"), row.times.tolist(), strict=True):
        part = _characters(label, known)
        step = (end - start) / len(part)
        characters.append(part)
        times += ((start + step * number, start + step * (number + 1)) for number in range(len(part)))
    return Heard("".join(characters), np.array(times, np.float64))


@lru_cache(maxsize=1024)
def _characters(label: str, known: Pronunciations | None) -> str:
    if not label[0].isalpha():
        return label
    return known.to_phones(f"{{{label}}}") if known and label in known.phones else "?"


def _placed(text: str, heard: Heard, seconds: Floats) -> Tensor:
    """The position being spoken at each of `seconds` among the ids of a text that begins with a speaker's tag."""
    tag = LEADING_TAG.match(text)
    start = tag.end() if tag else 0
    ids = np.cumsum([len(spell(text[:start])), *(len(spell(character)) for character in text[start:])])
    at = places(text[start:], heard, seconds)
    return torch.from_numpy(np.interp(at, np.arange(len(ids)), ids)).float()


__all__ = ["heard_in", "read_clips", "text_of", "validation_clips"]
