"""What is learnt from: one clip after the other, at a random frame shift, sometimes behind a prompt in its voice.

Knows coded clips and scripts. Knows nothing of batches or of the model.
"""

import random
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from dia.tokenization_dia import SPEAKER_TAGS
from dia.training.data.dialogues import SPEAKERS, Clip, Script, compose, spell


class Coded(Protocol):
    """A clip through the codec, as `dia.training.data.encoding.CodedClip`: codes are integers [T, C]."""

    @property
    def codes(self) -> NDArray[Any]:
        """Integers [T, C]."""

    @property
    def text(self) -> str:
        """What is said."""

    @property
    def speaker(self) -> str:
        """Who says it."""


def clips_of(rows: Iterable[Coded]) -> list[Clip]:
    """One clip for all rows of one recording, or where it has no name of the same words in the same voice: they are
    the same clip at several frame shifts.

    A text without a speaker's tag gets the speaker's own, or else `[S1]`.
    """
    clips: dict[tuple[str, str, str], Clip] = {}
    for row in rows:
        speaker = row.speaker if row.speaker in SPEAKERS else SPEAKERS[0]
        text = row.text if row.text.startswith(SPEAKER_TAGS) else f"[{speaker}] {row.text}"
        clip = clips.setdefault((row.speaker, text, getattr(row, "name", "")), Clip([], text, row.speaker))
        clip.codes.append(torch.from_numpy(row.codes.astype("int16")))
    return list(clips.values())


class Voices:
    """Who has said what."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._of: dict[str, list[int]] = {}
        self._places: list[int] = []  # of each clip among its speaker's
        for number, clip in enumerate(clips):
            own = self._of.setdefault(clip.speaker, [])
            self._places.append(len(own))
            own.append(number)
        self._clips = clips

    def other(self, number: int, rng: random.Random | None = None) -> Clip | None:
        """Another clip in the voice of clip `number`: a random one, or the next; None if there is none."""
        numbers = self._of[self._clips[number].speaker]
        step = rng.randrange(1, max(2, len(numbers))) if rng else 1
        other = numbers[(self._places[number] + step) % len(numbers)]
        return None if other == number else self._clips[other]


class Examples(Dataset[Script]):
    """Every clip once an epoch. All choices follow from the seed, the epoch and the clip's number alone, so they are
    the same in any worker or process, and after a run is resumed.

    Args:
        clips: what is learnt.
        seed: of all choices.
        prompt_dropout: share of the clips that stand without a prompt. Before the others stands another clip in the
            same voice, and its text before theirs, as when a voice is cloned. 1 never gives a prompt.
        learn_prompt: whether the prompt's codes are to be learnt, too.
        longest_text: in bytes; where prompt and clip would be longer together, there is no prompt.
        longest: in frames, likewise.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        seed: int = 0,
        prompt_dropout: float = 1.0,
        learn_prompt: bool = True,
        longest_text: int = 512,
        longest: int = 1024,
    ) -> None:
        self.clips, self.seed = clips, seed
        self.prompt_dropout, self.learn_prompt = prompt_dropout, learn_prompt
        self.longest, self.longest_text = longest, longest_text
        self._voices = Voices(clips)
        self._epoch = torch.zeros(1, dtype=torch.long).share_memory_()  # seen by workers that outlive an epoch

    def set_epoch(self, epoch: int) -> None:
        """From now on the choices are those of this epoch."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Script:
        """Clip `index` as this epoch has it."""
        rng = random.Random(f"{self.seed}/{int(self._epoch)}/{index}")
        clip, prompt = self.clips[index], None
        if rng.random() >= self.prompt_dropout:
            prompt = self._voices.other(index, rng)
        if prompt is not None and self._fits(prompt, clip):
            given = rng.choice(prompt.codes)
            script = compose([prompt._replace(codes=[given], places=()), clip], rng)
            script = script._replace(prompt=0 if self.learn_prompt else len(given))
        else:
            script = compose([clip], rng)
        return script._replace(seed=rng.getrandbits(62))

    def _fits(self, prompt: Clip, clip: Clip) -> bool:
        frames = max(map(len, prompt.codes)) + max(map(len, clip.codes))
        return frames <= self.longest and len(spell(f"{prompt.text} {clip.text}")) <= self.longest_text


class HeldOut(Dataset[Script]):
    """Clips never trained on, undisturbed, at their first shift; with each the words of another clip in its voice."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self.clips = sorted(clips, key=lambda clip: (clip.speaker, len(clip.codes[0])))
        self._voices = Voices(self.clips)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Script:
        """Clip `index`, with the next clip's words; alone in its voice, with its own."""
        clip = self.clips[index]
        other = self._voices.other(index) or clip
        first = clip._replace(codes=clip.codes[:1], places=clip.places[:1])
        return compose([first], random.Random(0))._replace(other=spell(other.text))


def hold_out(clips: Sequence[Clip], share: float, seed: int = 0) -> tuple[list[Clip], list[Clip]]:
    """Part clips into those to learn and those to measure with, of every voice in proportion, at least two of each.

    A voice of fewer than six clips is learnt whole.
    """
    learnt: list[Clip] = []
    held: list[Clip] = []
    voices: dict[str, list[Clip]] = {}
    for clip in clips:
        voices.setdefault(clip.speaker, []).append(clip)
    for speaker, own in sorted(voices.items()):
        random.Random(f"{seed}/{speaker}").shuffle(own)
        count = max(2, round(share * len(own))) if share and len(own) >= 6 else 0
        held += own[:count]
        learnt += own[count:]
    return learnt, held


__all__ = ["Examples", "HeldOut", "clips_of", "hold_out"]
