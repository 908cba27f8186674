"""Data sets of training and evaluation examples, made of coded clips."""

import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset
from transformers.trainer_pt_utils import LengthGroupedSampler

from dia.text.tags import SPEAKERS
from dia.tokenization_dia import SPEAKER_TAGS
from dia.training.data.dialogues import Clip, Script, compose, described, spell


class Coded(Protocol):
    """An encoded clip, such as `dia.training.data.code_cache.CodedClip`."""

    @property
    def codes(self) -> NDArray[Any]:
        """The codes, integers [T, C]."""

    @property
    def text(self) -> str:
        """The transcript."""

    @property
    def speaker(self) -> str:
        """The name of the voice."""


def clips_of(rows: Iterable[Coded]) -> list[Clip]:
    """Group rows that are the same recording at several frame shifts: one clip per name, text and speaker.

    A text without a speaker tag gets the tag of its speaker if that is S1 or S2, and else `[S1]`.
    """
    clips: dict[tuple[str, str, str], Clip] = {}
    for row in rows:
        speaker = row.speaker if row.speaker in SPEAKERS else SPEAKERS[0]
        text = row.text if row.text.startswith(SPEAKER_TAGS) else f"[{speaker}] {row.text}"
        clip = clips.setdefault((row.speaker, text, getattr(row, "name", "")), Clip([], text, row.speaker))
        clip.codes.append(torch.from_numpy(row.codes.astype("int16")))
    return list(clips.values())


class Voices:
    """The clips of each voice."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._of: dict[str, list[int]] = {}
        self._places: list[int] = []  # of each clip among its speaker's
        for number, clip in enumerate(clips):
            own = self._of.setdefault(clip.speaker, [])
            self._places.append(len(own))
            own.append(number)
        self._clips = clips

    def other(self, number: int, rng: random.Random | None = None) -> Clip | None:
        """Another clip in the voice of clip `number`, random or the next one; None if there is no other."""
        numbers = self._of[self._clips[number].speaker]
        step = rng.randrange(1, max(2, len(numbers))) if rng else 1
        other = numbers[(self._places[number] + step) % len(numbers)]
        return None if other == number else self._clips[other]


class Examples(Dataset[Script]):
    """The training examples: each clip once per epoch, at a random frame shift.

    Random choices depend only on the seed, the epoch and the clip's index. They are the same in every worker and
    process, and in a resumed run.

    Args:
        clips: to train on.
        seed: of all random choices.
        prompt_dropout: share of the clips without a voice prompt. The others follow another clip in the same voice,
            with both texts joined and its marks, if it has any, as in voice cloning. 1 for no prompts.
        learn_prompt: whether the codes of the prompt have a loss, too.
        longest_text: maximum length of prompt and clip together in bytes. A clip that would exceed it gets no prompt.
        longest: the same limit in frames.
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
        self._epoch = torch.zeros(
            1, dtype=torch.long
        ).share_memory_()  # shared with workers that persist across epochs

    def set_epoch(self, epoch: int) -> None:
        """Use the random choices of this epoch from now on."""
        self._epoch.fill_(epoch)

    @property
    def order_seed(self) -> int:
        """The seed of the clips' order in the current epoch."""
        return random.Random(f"{self.seed}/{int(self._epoch)}").getrandbits(62)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Script:
        """The example of clip `index` in the current epoch."""
        rng = random.Random(f"{self.seed}/{int(self._epoch)}/{index}")
        clip, prompt = self.clips[index], None
        if rng.random() >= self.prompt_dropout:
            prompt = self._voices.other(index, rng)
            prompt = prompt and described(prompt)
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


class GroupedByLength(LengthGroupedSampler):
    """Batches clips of similar length. As the examples, the order depends only on the seed and the epoch.

    Args:
        examples: to draw from.
        batch_size: of one update.
    """

    def __init__(self, examples: Examples, batch_size: int) -> None:
        super().__init__(batch_size, lengths=[len(clip.codes[0]) for clip in examples.clips])
        self._examples = examples

    def __iter__(self) -> Iterator[int]:
        self.generator = torch.Generator().manual_seed(self._examples.order_seed)
        return iter(super().__iter__())


class HeldOut(Dataset[Script]):
    """The evaluation examples: held-out clips at their first frame shift, without noise.

    Each has in `other` the text of another clip in the same voice, to measure the gap.
    """

    def __init__(self, clips: Sequence[Clip]) -> None:
        self.clips = sorted(clips, key=lambda clip: (clip.speaker, len(clip.codes[0])))
        self._voices = Voices(self.clips)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Script:
        """Clip `index`, with the next clip's text as `other`, or its own if it is the only clip of its voice."""
        clip = self.clips[index]
        other = self._voices.other(index) or clip
        first = clip._replace(codes=clip.codes[:1], places=clip.places[:1])
        return compose([first], random.Random(0))._replace(other=spell(other.text))


def hold_out(clips: Sequence[Clip], share: float, seed: int = 0) -> tuple[list[Clip], list[Clip]]:
    """Split clips into training and held-out clips.

    Args:
        clips: all clips.
        share: of the clips of each voice that are held out, but at least two; 0 for none. All clips of a voice with
            fewer than six are training clips.
        seed: of the choice. Each clip is ranked by its own content, so that clips that are added or removed later
            change the choice only as far as the number of held-out clips requires.
    """
    learned: list[Clip] = []
    held: list[Clip] = []
    voices: dict[str, list[Clip]] = {}
    for clip in clips:
        voices.setdefault(clip.speaker, []).append(clip)
    for _, own in sorted(voices.items()):
        own.sort(key=lambda clip: _rank(clip, seed))
        count = max(2, round(share * len(own))) if share and len(own) >= 6 else 0
        held += own[:count]
        learned += own[count:]
    return learned, held


def _rank(clip: Clip, seed: int) -> bytes:
    content = clip.codes[0].cpu().numpy().tobytes()
    return hashlib.blake2b(f"{seed}/{clip.speaker}/{clip.text}/".encode() + content, digest_size=8).digest()


__all__ = ["Examples", "GroupedByLength", "HeldOut", "clips_of", "hold_out"]
