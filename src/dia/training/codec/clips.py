"""Random batches of excerpts from recordings, for training a codec, and the held-out recordings.

Clips are drawn from a pool that is refilled from time to time, so that memory is bounded. Batch n depends only on n
and the seed, so that an interrupted run gets the same batches when it is resumed.
"""

import hashlib
import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from dia.audio.waveform import Waveform
from dia.feature_extraction_dia import DiaFeatureExtractor
from dia.runtime.limits import HELDOUT
from dia.training.data.report import SILENT_PEAK

LEVEL = 0.1  # root mean square of a normalized clip, -20 dB of full scale
LOUDEST = 0.95
POOL_SECONDS = 600.0
POOL_BATCHES = 200
LONGEST_SECONDS = 30.0  # length of the excerpt that the pool takes from a longer recording
HELDOUT_CLIPS = 48


class Recorded(Protocol):
    """A row: a name for messages, and audio that `DiaFeatureExtractor` can read."""

    @property
    def name(self) -> str: ...
    @property
    def audio(self) -> Any: ...


class Clips:
    """The recordings of a source, split into training and held-out recordings.

    Recordings that cannot be read or are silent are skipped. For each one a line is printed, and `skipped` maps its
    name to the reason.

    Args:
        rows: of `dia.training.data.source.read_source`, or other objects with `name` and `audio`.
        rate: sampling rate of the codec in Hz.
        hop: samples per frame of the codec; shorter clips are skipped.
        heldout_share: share of the rows that are held out, at least one. The choice depends only on the names.
        seed: of all random choices.

    Raises:
        TypeError, ValueError: there are fewer than two rows, or the share is out of range.
    """

    def __init__(
        self, rows: Sequence[Recorded], rate: int, hop: int, heldout_share: float = 0.05, seed: int = 0
    ) -> None:
        if len(rows) < 2:
            raise ValueError(
                f"rows contains {len(rows)} recordings; at least two are needed, one of them held out. Split long "
                "ones."
            )
        HELDOUT.check("heldout_share", heldout_share)
        ranked = sorted(rows, key=lambda row: hashlib.sha256(row.name.encode(errors="surrogateescape")).digest())
        count = max(1, round(heldout_share * len(rows)))
        self.heldout, self.train = ranked[:count], ranked[count:]
        self.rate, self.seed = rate, seed
        self.skipped: dict[str, str] = {}
        self._extractor = DiaFeatureExtractor(sampling_rate=rate, hop_length=hop)
        self._pool: dict[int, Waveform] = {}
        self._filled: int | None = None

    def read(self, row: Recorded) -> Waveform | None:
        """A recording, mono, at the codec's rate and with normalized level; None if it is skipped."""
        if row.name in self.skipped:
            return None
        try:
            waveform = self._extractor.load(row.audio, name=row.name)
            if np.abs(waveform).max() < SILENT_PEAK:
                raise ValueError(f"{row.name} is silent")
        except (ValueError, TypeError, OSError) as error:
            self._skip(row, str(error))
            return None
        return leveled(waveform)

    def require(self, seconds: float) -> None:
        """Check that there is enough audio to train on. Reads only as many recordings as it needs to.

        Raises:
            ValueError: the readable recordings are shorter than `seconds` in total.
        """
        found = sum(map(len, self.pool(0).values())) / self.rate
        if found < min(seconds, POOL_SECONDS):
            reasons = "".join(f"\n  {reason}" for reason in list(self.skipped.values())[:5])
            raise ValueError(
                f"there are {found:.1f} s of audio to train on; a codec needs at least {seconds:g} s. "
                f"{len(self.skipped)} clips were skipped{':' if reasons else '.'}{reasons}"
            )

    def pool(self, number: int) -> dict[int, Waveform]:
        """The clips for `POOL_BATCHES` batches, by index in `train`. If all clips fit, they are read only once."""
        if self._filled != number:
            longest, seconds = round(LONGEST_SECONDS * self.rate), 0.0
            former = {index: clip for index, clip in self._pool.items() if len(clip) < longest}
            self._pool = {}
            rng = random.Random(f"{self.seed} pool {number}")
            for index in rng.sample(range(len(self.train)), len(self.train)):
                clip = former[index] if index in former else self.read(self.train[index])
                if clip is None:
                    continue
                self._pool[index] = clip = stretch(clip, longest, rng)
                seconds += len(clip) / self.rate
                if seconds >= POOL_SECONDS:
                    break
            self._filled = number
        return self._pool

    def batches(self, samples: int, batch: int, first: int = 0) -> Iterator[Tensor]:
        """Endless batches [batch, samples], starting with number `first`, at slightly different levels.

        Raises:
            ValueError: no recording can be read.
        """
        for number in itertools.count(first):
            pool = list(self.pool(number // POOL_BATCHES).values())
            if not pool:
                raise ValueError(
                    f"none of the {len(self.train)} recordings can be read. The reasons are printed above."
                )
            rng = random.Random(f"{self.seed} batch {number}")
            drawn = rng.choices(pool, weights=[len(clip) for clip in pool], k=batch)
            yield torch.stack([cut(clip, samples, rng) * rng.uniform(0.5, 1.0) for clip in drawn])

    def heldout_clips(self) -> list[Waveform]:
        """Up to `HELDOUT_CLIPS` held-out clips of at most `LONGEST_SECONDS` each.

        Raises:
            ValueError: no held-out recording can be read.
        """
        rng, found = random.Random(f"{self.seed} heldout"), list[Waveform]()
        for row in self.heldout:
            if (clip := self.read(row)) is not None:
                found.append(stretch(clip, round(LONGEST_SECONDS * self.rate), rng))
            if len(found) == HELDOUT_CLIPS:
                break
        if not found:
            reasons = "; ".join(list(self.skipped.values())[:5])
            raise ValueError(f"none of the {len(self.heldout)} held-out recordings can be read: {reasons}")
        return found

    def _skip(self, row: Recorded, reason: str) -> None:
        self.skipped[row.name] = reason
        count = len(self.skipped)
        print(f"skipped: {reason} ({count} of {len(self.train) + len(self.heldout)} so far)", flush=True)


def leveled(waveform: Waveform) -> Waveform:
    """The clip at `LEVEL`, or as close to it as its peak allows."""
    factor = min(LEVEL / max(float(np.sqrt(np.mean(waveform**2))), 1e-6), LOUDEST / float(np.abs(waveform).max()))
    return waveform * np.float32(factor)


def stretch(waveform: Waveform, samples: int, rng: random.Random) -> Waveform:
    """A random excerpt of at most `samples`, copied so that the whole clip can be freed."""
    if len(waveform) <= samples:
        return waveform
    start = rng.randint(0, len(waveform) - samples)
    return waveform[start : start + samples].copy()


def cut(waveform: Waveform, samples: int, rng: random.Random) -> Tensor:
    """A random excerpt as fp32 [samples]; a shorter clip is padded with silence at a random position."""
    part = stretch(waveform, samples, rng)
    before = rng.randint(0, samples - len(part))
    return torch.from_numpy(np.pad(part, (before, samples - len(part) - before)))


def stretches(clips: Sequence[Waveform], samples: int, count: int = HELDOUT_CLIPS) -> Tensor:
    """`count` excerpts [count, samples] of the clips, taken in turn; always the same ones."""
    rng = random.Random(1)
    return torch.stack([cut(clips[index % len(clips)], samples, rng) for index in range(count)])
