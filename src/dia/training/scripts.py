"""Dialogue scripts out of single clips, and batches out of scripts: text ids, delayed grids, labels, alignment.

Knows clips, the byte encoding and the delay pattern. Knows nothing of the model or of audio.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from dia.grid import Channels, prefill

SPEAKER_IDS = {"S1": 1, "S2": 2}


class Clip(NamedTuple):
    """One utterance: a [T, C] of codes for each frame shift, its text without tag, its speaker ("S1" or "S2"), and
    the byte of the text being spoken in each frame for each shift, [T]."""

    codes: list[Tensor]
    text: str
    speaker: str
    places: list[Tensor]


class Script(NamedTuple):
    """A composed example: byte ids, codes [T, C] and the id being spoken in each frame, [T]."""

    ids: list[int]
    codes: Tensor
    places: Tensor


class Batch(NamedTuple):
    """Padded on the right: text and its mask [B, S], grid [B, R + 1, C], spoken place and its weight [B, R]."""

    text: Tensor
    text_mask: Tensor
    grid: Tensor
    places: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Mixture:
    """How scripts are composed: probabilities of 2 to 3 and of 4 to 5 clips (else one), of the next clip staying with
    its speaker, of a soundless tag after a clip; and the longest script in frames."""

    few: float = 0.25
    many: float = 0.08
    same_speaker: float = 0.3
    tag: float = 0.03
    longest: int = 450


def compose(clips: Sequence[Clip], rng: random.Random, tag: float = 0.0) -> Script:
    """Speak `clips` one after the other: a speaker's tag stands where the speaker changes.

    Args:
        clips: at least one.
        rng: chooses each clip's frame shift and where a `(laughs)`, which is silent, follows a clip.
        tag: probability of such a tag.
    """
    ids: list[int] = []
    codes, places, speaker = [], [], ""
    for clip in clips:
        if clip.speaker != speaker:
            ids += [*(b" " if ids else b""), SPEAKER_IDS[clip.speaker]]
            speaker = clip.speaker
        shift = rng.randrange(len(clip.codes))
        ids += b" "
        codes.append(clip.codes[shift])
        places.append(clip.places[shift] + len(ids))
        ids += clip.text.encode()
        if rng.random() < tag:
            ids += b" (laughs)"
    return Script(ids, torch.cat(codes), torch.cat(places))


class Composer:
    """An endless source of scripts from a pool of clips.

    Args:
        clips: the pool.
        seed: of all choices.
    """

    def __init__(self, clips: Sequence[Clip], seed: int) -> None:
        self.rng = random.Random(seed)
        self._by_speaker = {speaker: [c for c in clips if c.speaker == speaker] for speaker in SPEAKER_IDS}
        self._all = list(clips)

    def script(self, mixture: Mixture, longest_clip: int | None = None) -> Script:
        """One script; `longest_clip` leaves out longer clips, for a gentle beginning."""
        clips = [self._clip(self._all, longest_clip)]
        frames = len(clips[0].codes[0])
        for _ in range(self._count(mixture) - 1):
            stays = self.rng.random() < mixture.same_speaker
            other = "S2" if clips[-1].speaker == "S1" else "S1"
            clip = self._clip(self._by_speaker[clips[-1].speaker if stays else other] or self._all, longest_clip)
            frames += len(clip.codes[0])
            if frames > mixture.longest:
                break
            clips.append(clip)
        return compose(clips, self.rng, mixture.tag)

    def _count(self, mixture: Mixture) -> int:
        fate = self.rng.random()
        if fate < mixture.many:
            return self.rng.randint(4, 5)
        return self.rng.randint(2, 3) if fate < mixture.many + mixture.few else 1

    def _clip(self, pool: Sequence[Clip], longest: int | None) -> Clip:
        clip = self.rng.choice(pool)
        for _ in range(20):
            if longest is None or len(clip.codes[0]) <= longest:
                break
            clip = self.rng.choice(pool)
        return clip

    def batches(self, channels: Channels, mixture: Mixture, rows: int, longest_clip: int | None) -> Iterator[Batch]:
        """A pool of scripts, sorted by length, cut into batches of at most `rows` padded rows, in random order."""
        pool = sorted((self.script(mixture, longest_clip) for _ in range(384)), key=lambda script: len(script.codes))
        groups: list[list[Script]] = [[]]
        for script in pool:
            if groups[-1] and (len(groups[-1]) + 1) * _rows(script, channels) > rows:
                groups.append([])
            groups[-1].append(script)
        self.rng.shuffle(groups)
        for group in groups:
            yield collate(group, channels)


def _rows(script: Script, channels: Channels) -> int:
    return len(script.codes) + 1 + max(channels.pattern)


def grid_of(codes: Tensor, channels: Channels) -> Tensor:
    """Codes [T, C] → the delayed grid [T + 2 + largest delay, C] with a row of BOS before and EOS after the frames.

    With three channels delayed by 0, 1, 2, `_` for BOS, `$` for EOS and `.` for PAD:

        a0 b0 c0        _  _  _
        a1 b1 c1   →    a0 _  _
                        a1 b0 _
                        $  b1 c0
                        .  $  c1
                        .  .  $
    """
    return prefill([codes], 0, channels, closed=True)[0][0]


def collate(scripts: Sequence[Script], channels: Channels, multiple: int = 8) -> Batch:
    """Pad scripts into one batch; text and rows come to multiples of `multiple`, so that few shapes occur."""
    rows = _round_up(max(_rows(script, channels) for script in scripts), multiple)
    width = _round_up(max(len(script.ids) for script in scripts), multiple)
    size = len(scripts)
    text = torch.zeros(size, width, dtype=torch.long)
    mask = torch.zeros(size, width, dtype=torch.long)
    grid = torch.full((size, rows + 1, len(channels.pattern)), channels.pad)
    places, weight = torch.zeros(size, rows), torch.zeros(size, rows)
    for index, script in enumerate(scripts):
        frames = len(script.codes)
        text[index, : len(script.ids)] = torch.tensor(script.ids)
        mask[index, : len(script.ids)] = 1
        delayed = grid_of(script.codes.long(), channels)
        grid[index, : len(delayed)] = delayed
        places[index, :frames], places[index, frames] = script.places, len(script.ids) - 1
        weight[index, : frames + 1] = 1
    return Batch(text, mask, grid, places, weight)


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
