"""Read a code cache as training clips: texts as phones, and for each frame the position in the text being spoken."""

import math
import random
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import torch

from dia.text.lexicon import Pronunciations
from dia.text.tags import SPEAKERS, TAG
from dia.training.data.dataset import clips_of
from dia.training.data.dialogues import Clip, spell
from dia.training.data.encoding import CodeCache
from dia.training.mini.pretraining.alignment import WordLengths

LETTERS = 0.1  # share of the words that keep their letters although their phones are known
_WORD = re.compile(r"\[[^\]]*\]|\([^)]*\)|[A-Za-z']+")


def read_clips(
    folder: Path, pronunciations: Pronunciations | None = None, edge_seconds: float = 0.1
) -> tuple[list[Clip], list[Clip], int]:
    """Read the code cache in `folder`: training clips, held-out clips and the codebook size.

    The same words in the same voice, encoded at several frame shifts, are one clip. With pronunciations, texts are
    converted to phones. In half of the training clips a fifth of the words keep their letters, so that the model also
    learns words that have no pronunciation.

    Args:
        folder: of the code cache.
        pronunciations: of the words; None keeps texts as letters.
        edge_seconds: silence at either end of each recording.
    """
    rows = CodeCache(folder).rows
    learnt, held_out = (clips_of(row for row in rows if row.split == split) for split in ("train", "heldout"))
    if pronunciations is not None:
        learnt = [_pronounced(clip, pronunciations, LETTERS) for clip in learnt]
        held_out = [_pronounced(clip, pronunciations) for clip in held_out]
    clips = [*learnt, *held_out]
    frames, seconds = sum(len(row.codes) for row in rows), sum(row.seconds for row in rows)
    lengths = WordLengths(
        [_words(clip) for clip in clips], [len(clip.codes[0]) for clip in clips], edge_seconds * frames / seconds
    )
    highest = max(int(row.codes.max()) for row in rows)
    size = 2 ** math.ceil(math.log2(highest + 1))
    return [_placed(clip, lengths) for clip in learnt], [_placed(clip, lengths) for clip in held_out], size


def validation_clips(held_out: Sequence[Clip], count: int = 192) -> list[Clip]:
    """`count` of the held-out clips, the same number of each speaker."""
    return [clip for speaker in SPEAKERS for clip in [c for c in held_out if c.speaker == speaker][: count // 2]]


def _pronounced(clip: Clip, pronunciations: Pronunciations, letters: float = 0.0) -> Clip:
    rng = random.Random(zlib.crc32(f"{clip.speaker} {clip.text}".encode()))
    kept = 2 * letters if rng.random() < 0.5 else 0.0
    if not kept:
        return clip._replace(text=pronunciations.to_phones(clip.text))
    said = _WORD.sub(lambda word: word[0] if rng.random() < kept else pronunciations.to_phones(word[0]), clip.text)
    return clip._replace(text=said)


def _words(clip: Clip) -> str:
    return re.sub(rf"^{TAG.pattern} ", "", clip.text)


def _placed(clip: Clip, lengths: WordLengths) -> Clip:
    words = _words(clip)
    before = len(spell(clip.text)) - len(words)
    places = [torch.from_numpy(lengths.places(words, len(codes))) + before for codes in clip.codes]
    return clip._replace(places=[place.float() for place in places])


__all__ = ["read_clips", "validation_clips"]
