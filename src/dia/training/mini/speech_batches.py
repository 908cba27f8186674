"""Batches of speech from the corpus, for training the embedded codec: clips varied in pitch, room, noise and level.

The corpus has few voices and no rooms. The variations make up for some of that, so that the codec also passes on
people and recordings that it has not seen.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr
import torch
from torch import Tensor

from dia.audio.waveform import Waveform, full_scale
from dia.training.codec.clips import cut
from dia.training.codec.evaluation import Probe
from dia.training.mini.teacher.natural.corpus import Clip, read_shard, shard_numbers
from dia.training.mini.teacher.sounds import SOUNDS, sound

SOUND_SHARE = 0.06  # of the excerpts that are sounds such as (laughs), which the corpus does not have
PROBED = 48  # held-out excerpts that a codec is measured with
EXCERPTS = 2  # of each clip, each time that its shard is read
_PITCH = 0.5, (0.82, 1.22)  # the share of clips, and the factor of pitch and formants
_ROOM = 0.15, (0.08, 0.45)  # the share, and the seconds until the reverberation has fallen by 60 dB
_TILT = 0.3, (-0.6, 0.6)  # the share, and the coefficient of a filter that darkens or brightens
_NOISE = 0.15, (15.0, 45.0)  # the share, and the distance between speech and noise in dB
_LEVEL = 0.25, 1.1


def speech_batches(folder: Path, samples: int, rate: int, batch: int, seed: int = 0) -> Iterator[Tensor]:
    """Endless batches [batch, samples] of varied training clips, at random places.

    Shards are read in random order. Shards that are added to `folder` during training are used, too.

    Args:
        folder: of the corpus.
        samples: length of an excerpt.
        rate: of the codec, in Hz.
        batch: excerpts in a batch.
        seed: of all random choices.

    Raises:
        ValueError: `folder` contains no shards.
    """
    rng = random.Random(seed)
    row: list[Tensor] = []
    while True:
        clips = [clip for clip in read_shard(folder, _any_shard(folder, rng)) if clip.line["split"] == "train"]
        rng.shuffle(clips)
        for clip in clips:
            waveform = varied(_at_rate(clip, rate), rate, np.random.default_rng(rng.getrandbits(64)))
            for _ in range(EXCERPTS):
                source = _sound(rate, rng) if rng.random() < SOUND_SHARE else waveform
                row.append(cut(source, samples, rng))
                if len(row) == batch:
                    yield torch.stack(row)
                    row = []


def heldout_probe(folder: Path, samples: int, rate: int, count: int = PROBED) -> Probe:
    """A probe that measures codecs on the same `count` held-out excerpts each time, unvaried.

    Raises:
        ValueError: `folder` holds too little held-out speech.
    """
    rng, found = random.Random(1), list[Tensor]()
    for number in shard_numbers(folder):
        clips = [clip for clip in read_shard(folder, number) if clip.line["split"] == "heldout"]
        found += [cut(_at_rate(clip, rate), samples, rng) for clip in clips]
        if len(found) >= count:
            return Probe(torch.stack(found[:count]), rate)
    raise ValueError(f"folder {folder} contains {len(found)} held-out clips; {count} are needed. Make more clips.")


def varied(waveform: Waveform, rate: int, rng: np.random.Generator) -> Waveform:
    """The clip with another pitch, in a room, through a filter, with noise, each by chance, and at another level.

    Args:
        waveform: mono [N].
        rate: in Hz.
        rng: decides; the same state gives the same result.
    """
    if rng.random() < _PITCH[0]:
        waveform = np.asarray(soxr.resample(waveform, rate * rng.uniform(*_PITCH[1]), rate), np.float32)
    if rng.random() < _ROOM[0]:
        waveform = _in_a_room(waveform, round(rate * rng.uniform(*_ROOM[1])), rng)
    if rng.random() < _TILT[0]:
        tilt = np.float32(rng.uniform(*_TILT[1]))
        waveform = np.asarray(waveform + tilt * np.roll(waveform, 1), np.float32)
    if rng.random() < _NOISE[0]:
        level = float(np.sqrt(np.mean(waveform**2))) * 10 ** (-rng.uniform(*_NOISE[1]) / 20)
        waveform = waveform + np.asarray(level * rng.standard_normal(len(waveform)), np.float32)
    peak = float(np.abs(waveform).max(initial=1e-6))
    return (waveform * np.float32(rng.uniform(*_LEVEL) * min(1.0, 0.9 / peak))).astype(np.float32)


def _in_a_room(waveform: Waveform, length: int, rng: np.random.Generator) -> Waveform:
    """The clip followed by reverberation: noise that falls by 60 dB within `length` samples."""
    echo = rng.standard_normal(length) * 10.0 ** (-3 * np.arange(length) / length)
    echo *= rng.uniform(0.2, 0.8) / np.linalg.norm(echo)
    echo[0] = 1.0
    size = 1 << (len(waveform) + length - 1).bit_length()
    heard = np.fft.irfft(np.fft.rfft(waveform, size) * np.fft.rfft(echo, size), size)
    return np.asarray(heard[: len(waveform)], np.float32)


def _sound(rate: int, rng: random.Random) -> Waveform:
    """A synthetic sound between two pauses."""
    tag = rng.choice(sorted(SOUNDS))
    made = sound(tag, np.random.default_rng(rng.getrandbits(64)), rng.uniform(90, 230), rate, rng.uniform(0.1, 0.5))
    return np.pad(full_scale(made), round(0.1 * rate))


def _any_shard(folder: Path, rng: random.Random) -> int:
    numbers = shard_numbers(folder)
    if not numbers:
        raise ValueError(f"folder {folder} contains no speech. Run python -m dia.training.mini --stages speech first.")
    return rng.choice(numbers)


def _at_rate(clip: Clip, rate: int) -> Waveform:
    waveform = full_scale(clip.audio)
    if clip.rate == rate:
        return waveform
    return np.asarray(soxr.resample(waveform, clip.rate, rate), np.float32)


__all__ = ["heldout_probe", "speech_batches", "varied"]
