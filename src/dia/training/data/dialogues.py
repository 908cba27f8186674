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

from dia.text.lexicon import FIRST, MOST
from dia.tokenization_dia import BYTES

SPEAKERS = ("S1", "S2")
# Tags that Dia reads and the teacher cannot perform: they are read in silence.
SILENT_TAGS = ("(clears throat)", "(gasps)", "(coughs)", "(sings)", "(mumbles)", "(groans)", "(sniffs)", "(screams)")
GIVEN_FRAMES = 40
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
    """How scripts are composed: probabilities of 2 to 3 and of 4 to 6 clips (else one), of the next clip staying with
    its speaker, of a soundless tag after a clip, of a speaker's tag said again, of a script that goes on in a voice
    it is given; and the longest script in frames."""

    few: float = 0.25
    many: float = 0.08
    same_speaker: float = 0.3
    tag: float = 0.03
    again: float = 0.2
    continued: float = 0.25
    longest: int = 600


def spell(text: str) -> list[int]:
    """The ids of what a tokenizer calls spoken: bytes, one id for a speaker's tag and one for each phone."""
    text = text.replace("[S1]", "\1").replace("[S2]", "\2")
    return [id_ for character in text for id_ in (_phone(character) or character.encode())]


def _phone(character: str) -> list[int]:
    number = ord(character) - FIRST
    return [BYTES + number] if 0 <= number < MOST else []


def compose(clips: Sequence[Clip], rng: random.Random, tag: float = 0.0, again: float = 0.0) -> Script:
    """Speak `clips` one after the other; where the speaker stays, the tag with which a clip begins is left out.

    Args:
        clips: at least one.
        rng: chooses each clip's frame shift and where one of `SILENT_TAGS` follows a clip.
        tag: probability of such a tag.
        again: probability that a speaker's tag is said again.
    """
    ids: list[int] = []
    codes, places, speaker = [], [], ""
    for clip in clips:
        leading = _LEADING_TAG.match(clip.text)
        repeated = leading is not None and leading[1] == speaker and not (again and rng.random() < again)
        said = clip.text[leading.end() :] if leading and repeated else clip.text
        ids += b" " if ids else b""
        shift = rng.randrange(len(clip.codes))
        codes.append(clip.codes[shift])
        left_out = len(spell(clip.text)) - len(spell(said))
        places.append((clip.places[shift] if clip.places else torch.zeros(len(codes[-1]))) + len(ids) - left_out)
        ids += spell(said)
        speaker = (_TAG.findall(clip.text) or [speaker])[-1]
        if rng.random() < tag:
            ids += f" {rng.choice(SILENT_TAGS)}".encode()
    return Script(ids, torch.cat(codes), torch.cat(places))


def retagged(clip: Clip, speaker: str) -> Clip:
    """The same clip with the tag of another speaker before it; its text must begin with one."""
    return clip._replace(text=_LEADING_TAG.sub(f"[{speaker}] ", clip.text, count=1))


class Composer:
    """An endless source of scripts from a pool of clips.

    Clips of "S1" and "S2" are spoken under their tags, from nothing. In other voices, and now and then in these, a
    script goes on under either tag from a beginning that is given and not learnt, as when a voice is cloned.

    Args:
        clips: the pool.
        seed: of all choices.
    """

    def __init__(self, clips: Sequence[Clip], seed: int) -> None:
        self.rng = random.Random(seed)
        self._by_voice: dict[str, list[Clip]] = {}
        for clip in clips:
            self._by_voice.setdefault(clip.speaker, []).append(clip)
        self._own = [clip for clip in clips if clip.speaker in SPEAKERS]
        self._voices = sorted(self._by_voice)

    def script(self, mixture: Mixture, longest_clip: int | None = None) -> Script:
        """One script; `longest_clip` leaves out longer clips, for a gentle beginning."""
        if not self._own or self.rng.random() < mixture.continued:
            script = self._continued(mixture, longest_clip)
        else:
            script = compose(self._dialogue(mixture, longest_clip), self.rng, mixture.tag, mixture.again)
        return script._replace(seed=self.rng.getrandbits(62))

    def _dialogue(self, mixture: Mixture, longest_clip: int | None) -> list[Clip]:
        clips = [self._clip(self._own, longest_clip)]
        frames = len(clips[0].codes[0])
        for _ in range(self._count(mixture) - 1):
            stays = self.rng.random() < mixture.same_speaker
            other = "S2" if clips[-1].speaker == "S1" else "S1"
            pool = self._by_voice.get(clips[-1].speaker if stays else other, self._own)
            clip = self._clip(pool, longest_clip)
            frames += len(clip.codes[0])
            if frames > mixture.longest:
                break
            clips.append(clip)
        return clips

    def _continued(self, mixture: Mixture, longest_clip: int | None) -> Script:
        """One voice in two or three clips, or a dialogue of two voices; the first words of each voice are given."""
        voices = self.rng.choices(self._voices, k=1 if self.rng.random() < 0.75 else 2)
        tags = self.rng.sample(SPEAKERS, 2)
        turns = list(zip(voices, tags, strict=False)) * (2 if len(voices) == 2 else self.rng.randint(2, 3))
        clips: list[Clip] = []
        for voice, tag in turns:
            clip = retagged(self._clip(self._by_voice[voice], longest_clip), tag)
            if len(clips) > len(voices) and sum(len(c.codes[0]) for c in (*clips, clip)) > mixture.longest:
                break
            clips.append(clip)
        script = compose(clips, self.rng, again=mixture.again)
        before = len(clips[0].codes[0]) if len(voices) == 2 else 0
        first = len(clips[len(voices) - 1].codes[0])
        return script._replace(prompt=before + min(first, GIVEN_FRAMES))

    def _count(self, mixture: Mixture) -> int:
        fate = self.rng.random()
        if fate < mixture.many:
            return self.rng.randint(4, 6)
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
