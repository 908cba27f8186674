"""Dialogue scripts out of single clips: text ids, codes, and which id is spoken in which frame.

Knows clips and the byte encoding. Knows nothing of the grid, of the model or of audio.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

SPEAKERS = ("S1", "S2")
_LEADING_TAG = re.compile(r"\[(S[12])\]\s*")
_TAG = re.compile(r"\[(S[12])\]")


class Clip(NamedTuple):
    """One utterance: a [T, C] of codes for each frame shift, its text with speaker tags, whose voice it is, and, where
    alignment is asked for, the place in the text's ids being spoken in each frame for each shift, [T]."""

    codes: list[Tensor]
    text: str
    speaker: str
    places: Sequence[Tensor] = ()


class Script(NamedTuple):
    """A composed example: byte ids, codes [T, C] and the id being spoken in each frame, [T].

    `prompt` leading frames are given and not to be learnt. `seed` decides how the example is disturbed; None leaves it
    as it is. `other` are the ids of other words in the same voice.
    """

    ids: list[int]
    codes: Tensor
    places: Tensor
    prompt: int = 0
    seed: int | None = None
    other: list[int] | None = None


@dataclass(frozen=True)
class Mixture:
    """How scripts are composed: probabilities of 2 to 3 and of 4 to 5 clips (else one), of the next clip staying with
    its speaker, of a soundless tag after a clip; and the longest script in frames."""

    few: float = 0.25
    many: float = 0.08
    same_speaker: float = 0.3
    tag: float = 0.03
    longest: int = 450


def spell(text: str) -> list[int]:
    """A text's ids, as the tokenizer spells it: its bytes, a speaker's tag one id."""
    return list(text.encode().replace(b"[S1]", b"\1").replace(b"[S2]", b"\2"))


def compose(clips: Sequence[Clip], rng: random.Random, tag: float = 0.0) -> Script:
    """Speak `clips` one after the other; a tag with which a clip begins is said only where the speaker changes.

    Args:
        clips: at least one.
        rng: chooses each clip's frame shift and where a `(laughs)`, which is silent, follows a clip.
        tag: probability of such a tag.
    """
    ids: list[int] = []
    codes, places, speaker = [], [], ""
    for clip in clips:
        leading = _LEADING_TAG.match(clip.text)
        said = clip.text[leading.end() :] if leading and leading[1] == speaker else clip.text
        ids += b" " if ids else b""
        shift = rng.randrange(len(clip.codes))
        codes.append(clip.codes[shift])
        left_out = len(spell(clip.text)) - len(spell(said))
        places.append((clip.places[shift] if clip.places else torch.zeros(len(codes[-1]))) + len(ids) - left_out)
        ids += spell(said)
        speaker = (_TAG.findall(clip.text) or [speaker])[-1]
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
        self._by_speaker = {speaker: [c for c in clips if c.speaker == speaker] for speaker in SPEAKERS}
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
        return compose(clips, self.rng, mixture.tag)._replace(seed=self.rng.getrandbits(62))

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

    def batches(self, mixture: Mixture, rows: int, delay: int, longest_clip: int | None) -> Iterator[list[Script]]:
        """A pool of scripts, sorted by length, cut into batches of at most `rows` padded rows, in random order."""
        pool = sorted((self.script(mixture, longest_clip) for _ in range(384)), key=lambda script: len(script.codes))
        groups: list[list[Script]] = [[]]
        for script in pool:
            if groups[-1] and (len(groups[-1]) + 1) * (len(script.codes) + 1 + delay) > rows:
                groups.append([])
            groups[-1].append(script)
        self.rng.shuffle(groups)
        yield from groups
