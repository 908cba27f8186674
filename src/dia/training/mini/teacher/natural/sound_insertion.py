"""Sounds such as (laughs) in clips of the corpus, which has none: before, after or between the words, or alone."""

import random
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dia.training.mini.teacher.natural.corpus import EDGE_SECONDS, Clip
from dia.training.mini.teacher.natural.teachers.teacher import Label
from dia.training.mini.teacher.sounds import SOUNDS, sound

SHARE = 0.2  # of the clips
ALONE = 0.1  # of the clips with a sound: they lose their words
PAUSE_SECONDS = 0.12  # between a sound and the words beside it
_PITCH = {"f": (180.0, 240.0), "m": (90.0, 130.0)}  # Hz, of laughs, by the second letter of names such as am_michael
_MARKS = ";:,.!?"

Pcm = NDArray[np.int16]


def with_sounds(clip: Clip, share: float = SHARE) -> Clip:
    """The clip, if it is one of a share of all clips with a sound; the same clip always gets the same sound.

    Args:
        clip: its labels are of `pronunciations.phones_of_labels`. A clip without labels gets no sound.
        share: of the clips that get a sound.
    """
    rng = random.Random(zlib.crc32(f"{clip.line['speaker']} {clip.line['spoken']}".encode()))
    if not clip.labels or rng.random() >= share:
        return clip
    return with_sound(clip, rng.choice(sorted(SOUNDS)), rng)


def with_sound(clip: Clip, tag: str, rng: random.Random) -> Clip:
    """The clip with one sound, about as loud as its loudest words, at a random place, or the sound alone.

    The tag stands in the clip's text, `line["spoken"]`, and is the phone of the sound's label. The kind is "sounds".
    """
    labels = clip.labels or ()
    peak = float(np.abs(clip.audio.astype(np.int32)).max(initial=1)) / 32768
    voice = "f" if clip.line["voice"][1:2] != "m" else "m"
    generator = np.random.default_rng(rng.getrandbits(64))
    made = sound(tag, generator, rng.uniform(*_PITCH[voice]), clip.rate, peak * rng.uniform(0.6, 0.9))
    if rng.random() < ALONE:
        edge = np.zeros(round(EDGE_SECONDS * clip.rate), np.int16)
        heard = Label(tag, EDGE_SECONDS, EDGE_SECONDS + len(made) / clip.rate)
        return _changed(clip, tag, np.concatenate([edge, made, edge]), (heard,))
    text = clip.line["spoken"]
    at, number = rng.choice([(0, 0), (len(text), len(labels)), *_pauses(text, labels)])
    return _inserted(clip, tag, made, at, number)


def _inserted(clip: Clip, tag: str, made: Pcm, at: int, number: int) -> Clip:
    """The clip with a sound in front of character `at` of its text and of label `number`."""
    text, labels = clip.line["spoken"], clip.labels or ()
    seconds = 0.0 if not number else len(clip.audio) / clip.rate if number == len(labels) else labels[number].start
    place = round(seconds * clip.rate)
    pause = np.zeros(round(PAUSE_SECONDS * clip.rate), np.int16)
    made = np.concatenate([pause, made, pause])
    start, length = place / clip.rate, len(made) / clip.rate
    before = [replace(label, end=min(label.end, start)) for label in labels[:number]]
    after = [Label(label.phone, label.start + length, label.end + length) for label in labels[number:]]
    heard = Label(tag, start + PAUSE_SECONDS, start + length - PAUSE_SECONDS)
    words = f"{text[:at].rstrip()} {tag} {text[at:].lstrip()}".strip()
    return _changed(
        clip, words, np.concatenate([clip.audio[:place], made, clip.audio[place:]]), (*before, heard, *after)
    )


def _changed(clip: Clip, text: str, audio: Pcm, labels: tuple[Label, ...]) -> Clip:
    return Clip(audio, clip.rate, {**clip.line, "spoken": text, "kind": "sounds"}, labels)


def _pauses(text: str, labels: Sequence[Label]) -> list[tuple[int, int]]:
    """The places behind a mark between two words: in the text, and the first label of the word behind it.

    None if text and labels do not have the same marks. The last mark may lack its label, which is cut off with the
    silence at the end.
    """
    written = [(mark[0], mark.end()) for mark in re.finditer(rf"[{_MARKS}](?=\s)", text)]
    inner = range(len(labels) - 1)
    heard = [number for number in inner if labels[number].phone in _MARKS and _words(labels[number + 1 :])]
    if [mark for mark, _ in written] != [labels[number].phone for number in heard]:
        return []
    behind = (number + 1 + (labels[number + 1].phone == " ") for number in heard)
    return [(at, number) for (_, at), number in zip(written, behind, strict=True)]


def _words(labels: Sequence[Label]) -> bool:
    return any(label.phone[0].isalpha() for label in labels)


__all__ = ["with_sound", "with_sounds"]
