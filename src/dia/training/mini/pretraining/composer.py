"""Random scripts from a pool of clips: single clips, dialogues, and continuations of a given voice."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dia.text.tags import SPEAKERS
from dia.training.data.dialogues import LEADING_TAG, Clip, Script, compose

GIVEN_FRAMES = 40  # of a continuation's first clip that serve as its prompt


@dataclass(frozen=True)
class Mixture:
    """How scripts are composed.

    Args:
        few: probability of 2 to 3 clips.
        many: probability of 4 to 6 clips; otherwise a script is a single clip.
        same_speaker: probability that the next clip has the same speaker.
        tag: probability of a silent tag after a clip.
        again: probability that the tag is repeated although the speaker does not change.
        continued: probability of a script that continues a given voice.
        longest: maximum length of a script in frames.
    """

    few: float = 0.25
    many: float = 0.08
    same_speaker: float = 0.3
    tag: float = 0.03
    again: float = 0.2
    continued: float = 0.25
    longest: int = 600


def retagged(clip: Clip, speaker: str) -> Clip:
    """The clip with its leading speaker tag replaced by that of `speaker`; its text must begin with a tag."""
    return clip._replace(text=LEADING_TAG.sub(f"[{speaker}] ", clip.text, count=1))


class Composer:
    """An endless source of scripts from a pool of clips.

    "S1" and "S2" speak equally often, however many clips each has; their clips get their own tags and no prompt. Clips
    of other voices, and some of these, are composed as for voice cloning: under either tag, after a prompt in the same
    voice, which has no loss.

    Args:
        clips: the pool.
        seed: of all random choices.
    """

    def __init__(self, clips: Sequence[Clip], seed: int) -> None:
        self.rng = random.Random(seed)
        self._by_voice: dict[str, list[Clip]] = {}
        for clip in clips:
            self._by_voice.setdefault(clip.speaker, []).append(clip)
        self._own = [speaker for speaker in SPEAKERS if speaker in self._by_voice]
        self._voices = sorted(self._by_voice)

    def script(self, mixture: Mixture, longest_clip: int | None = None) -> Script:
        """One script. `longest_clip`, for the curriculum, is the maximum length of a clip in frames."""
        if not self._own or self.rng.random() < mixture.continued:
            script = self._continued(mixture, longest_clip)
        else:
            script = compose(self._dialogue(mixture, longest_clip), self.rng, mixture.tag, mixture.again)
        return script._replace(seed=self.rng.getrandbits(62))

    def _dialogue(self, mixture: Mixture, longest_clip: int | None) -> list[Clip]:
        clips = [self._clip(self._by_voice[self.rng.choice(self._own)], longest_clip)]
        frames = len(clips[0].codes[0])
        for _ in range(self._count(mixture) - 1):
            stays = self.rng.random() < mixture.same_speaker
            other = "S2" if clips[-1].speaker == "S1" else "S1"
            speaker = clips[-1].speaker if stays or other not in self._own else other
            clip = self._clip(self._by_voice[speaker], longest_clip)
            frames += len(clip.codes[0])
            if frames > mixture.longest:
                break
            clips.append(clip)
        return clips

    def _continued(self, mixture: Mixture, longest_clip: int | None) -> Script:
        """Two or three clips of one voice, or a dialogue of two voices; the start of each voice is the prompt."""
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
        """A pool of scripts, sorted by length, in batches of at most `rows` padded rows and in random order."""
        pool = sorted((self.script(mixture, longest_clip) for _ in range(384)), key=lambda script: len(script.codes))
        groups: list[list[Script]] = [[]]
        for script in pool:
            if groups[-1] and (len(groups[-1]) + 1) * (len(script.codes) + 1 + delay) > rows:
                groups.append([])
            groups[-1].append(script)
        self.rng.shuffle(groups)
        yield from groups
