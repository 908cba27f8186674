"""Random scripts from a pool of clips: single clips, dialogues, and continuations of a given voice."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dia.text.tags import SPEAKERS
from dia.training.data.dialogues import LEADING_TAG, Clip, Script, compose, described

GIVEN_FRAMES = 40  # of a continuation's first clip that serve as its prompt
SHORT_FRAMES = 60  # of a short clip, at most
DISGUISED_TURNS = 4  # of each voice of a script with a disguised history, at most


@dataclass(frozen=True)
class Mixture:
    """How scripts are composed.

    Args:
        few: probability of 2 to 3 clips.
        many: probability of 4 to 6 clips; otherwise a script is a single clip.
        same_speaker: probability that the next clip has the same speaker.
        tag: probability of a silent tag after a clip.
        again: probability that the tag is repeated although the speaker does not change.
        continued: probability of a script that continues given voices.
        disguised: probability that the later turns of such a script take their voice from the earlier ones alone: the
            frames of these turns that the decoder reads are the same speech in other voices.
        pair: probability that a script continues two voices otherwise.
        described: probability that the text describes the voice of a prompt, if its clip has marks.
        marks_alone: probability that in a script with a disguised history the marks alone determine the voice: all
            frames that the decoder reads are in other voices. If prompts are always in the right voice, the model does
            not learn the marks.
        short: probability that a turn after the first is a short clip, as answers are.
        longest: maximum length of a script in frames.
    """

    few: float = 0.25
    many: float = 0.08
    same_speaker: float = 0.3
    tag: float = 0.03
    again: float = 0.5
    continued: float = 0.65
    disguised: float = 0.5
    pair: float = 0.35
    described: float = 0.9
    marks_alone: float = 0.5
    short: float = 0.25
    longest: int = 800


def retagged(clip: Clip, speaker: str) -> Clip:
    """The clip with its leading speaker tag replaced by that of `speaker`; its text must begin with a tag."""
    return clip._replace(text=LEADING_TAG.sub(f"[{speaker}] ", clip.text, count=1))


def _frames(clips: Sequence[Clip]) -> int:
    return sum(len(clip.codes[0]) for clip in clips)


class Composer:
    """An endless source of scripts from a pool of clips.

    "S1" and "S2" speak equally often, however many clips each has; their clips get their own tags and no prompt. Clips
    of other voices, and some of these, are composed as for voice cloning: under either tag, after a prompt in the same
    voice, which has no loss. A voice with four times as many clips as another is chosen twice as often.

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
        self._disguisable = [
            voice for voice in self._voices if sum(bool(clip.disguised) for clip in self._by_voice[voice]) > 1
        ]
        self._weights = [math.sqrt(len(self._by_voice[voice])) for voice in self._voices]

    def script(self, mixture: Mixture, longest_clip: int | None = None) -> Script:
        """One script. `longest_clip`, for the curriculum, is the maximum length of a clip in frames."""
        if not self._own or self.rng.random() < mixture.continued:
            hidden = self._disguisable and self.rng.random() < mixture.disguised
            script = self._in_disguise(mixture) if hidden else self._continued(mixture, longest_clip)
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
            clip = self._turn(self._by_voice[speaker], mixture, longest_clip)
            frames += len(clip.codes[0])
            if frames > mixture.longest:
                break
            clips.append(clip)
        return clips

    def _continued(self, mixture: Mixture, longest_clip: int | None) -> Script:
        """A clip of one or two voices each, then more of these voices; the prompt ends early in the last of the first.

        The prompt of two voices is the whole clip of one and the start of the clip of the other. No clip comes twice
        unless the voice has no other: the model would learn to repeat the codes of the prompt.
        """
        voices = self.rng.choices(self._voices, self._weights, k=2 if self.rng.random() < mixture.pair else 1)
        tags = self.rng.sample(SPEAKERS, len(voices))
        pools = [self._by_voice[voice] for voice in voices]
        given = [self._clip(pool, longest_clip) for pool in pools]
        others = [[one for one in pool if one is not clip] for pool, clip in zip(pools, given, strict=True)]
        clips = [self._prompt(clip, tag, mixture.described) for clip, tag in zip(given, tags, strict=True)]
        before, first = sum(len(clip.codes[0]) for clip in clips[:-1]), len(clips[-1].codes[0])
        frames, speaks = before + first, len(voices) - 1
        for _ in range(self.rng.randint(1, 2 * len(voices))):
            speaks = speaks if self.rng.random() < mixture.same_speaker else len(voices) - 1 - speaks
            clip = self._turn(others[speaks] or pools[speaks], mixture, longest_clip)
            frames += len(clip.codes[0])
            if len(clips) > len(voices) and (frames > mixture.longest or not others[speaks]):
                break
            others[speaks] = [one for one in others[speaks] if one is not clip]
            clips.append(retagged(clip, tags[speaks]))
        return compose(clips, self.rng, again=mixture.again)._replace(prompt=before + min(first, GIVEN_FRAMES))

    def _in_disguise(self, mixture: Mixture) -> Script:
        """Clips of one or two voices in turn; from some turn after the first, the history is in other voices.

        The first turn is the prompt. Those between have a loss, and are a longer recording for those that follow. If
        marks alone determine the voices, there is no prompt, and all turns have a loss.
        """
        count = 2 if self.rng.random() < mixture.pair else 1
        voices = self.rng.sample(self._disguisable, min(count, len(self._disguisable)))
        tags = self.rng.sample(SPEAKERS, len(voices))
        pools = [self._by_voice[voice] for voice in voices]
        turns = min(DISGUISED_TURNS, *map(len, pools))
        chosen = zip(*(self.rng.sample(pool, turns) for pool in pools), strict=True)
        given, *later = chosen
        alone = all(clip.marks for clip in given) and self.rng.random() < mixture.marks_alone
        probability = 1.0 if alone else mixture.described
        clips = [self._prompt(clip, tag, probability) for clip, tag in zip(given, tags, strict=True)]
        clips += [retagged(clip, tag) for turn in later for clip, tag in zip(turn, tags, strict=True)]
        while turns > 2 and _frames(clips) > mixture.longest:
            turns -= 1
            clips = clips[: turns * len(voices)]
        first = 0 if alone else self.rng.randint(1, turns - 1) * len(voices)
        script = compose(clips, self.rng, again=mixture.again, disguised_from=first)
        return script._replace(prompt=0 if alone else _frames(clips[: len(voices)]))

    def _prompt(self, clip: Clip, speaker: str, probability: float) -> Clip:
        """A clip as the prompt of a voice that speaks as `speaker`, described with a probability if it has marks."""
        tagged = retagged(clip, speaker)
        return described(tagged) if clip.marks and self.rng.random() < probability else tagged

    def _count(self, mixture: Mixture) -> int:
        fate = self.rng.random()
        if fate < mixture.many:
            return self.rng.randint(4, 6)
        return self.rng.randint(2, 3) if fate < mixture.many + mixture.few else 1

    def _turn(self, pool: Sequence[Clip], mixture: Mixture, longest_clip: int | None) -> Clip:
        """A clip of `pool` that follows others."""
        short = self.rng.random() < mixture.short
        return self._clip(pool, SHORT_FRAMES if short else longest_clip)

    def _clip(self, pool: Sequence[Clip], longest: int | None) -> Clip:
        """A random clip, of at most `longest` frames if there are such clips."""
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
