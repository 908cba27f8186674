"""Which sound is heard: laughs, beep, claps, whistle, sigh, or words where a sound should be.

A nearest-template classifier. A clip is described by its spectrum in mel bands, relative to its loudest moment: the
mean of each band in decibels tells tones from noise and high from low, its deviation over time tells bursts from what
lasts. A template is the mean description of many examples, and each number of it counts by how little it varies among
examples of one sound. Templates of what the codec makes of the sounds tell whether a model makes the sound it should;
templates of the sounds as they are tell, besides, whether codec and model together still sound like them.
Knows waveforms, the teacher's sounds and the speaker. Knows nothing of words.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import soxr
from evaluation.held_out import SPEAKERS, TEACHER_RATE, Item, spoken_by_teacher
from evaluation.intervals import Figure, share
from evaluation.listening import turns
from evaluation.speaking import Line, Speaker
from numpy.typing import NDArray
from tqdm import tqdm

from dia.audio.waveform import Waveform
from dia.training.mini.teacher.sounds import SOUNDS, sound
from dia.training.mini.teacher.voices import PAUSE_SECONDS, voice_of

WORDS = "words"
BANDS, FLOOR_DECIBELS = 24, -45.0
USUAL_SECONDS = 0.75
LONGEST_BESIDE = 7  # words beside a sound: the fewer, the surer it is where the sound ends
EXAMPLES = 20

Description = NDArray[np.float64]


def describe(audio: Waveform, sampling_rate: int) -> Description:
    """Mean and deviation over time of each band's level in decibels, [2 · BANDS]; silence at the ends is left out."""
    clip = np.asarray(soxr.resample(np.asarray(audio, np.float32), sampling_rate, TEACHER_RATE), np.float64)
    loud = np.flatnonzero(np.abs(clip) > 0.1 * np.abs(clip).max(initial=1e-9))
    clip = np.pad(clip[loud[0] : loud[-1] + 1] if loud.size else clip, 256)
    frames = np.lib.stride_tricks.sliding_window_view(clip, 512)[::160] * np.hanning(512)
    power = np.abs(np.fft.rfft(frames)) ** 2 @ _bands()  # [frames, BANDS]
    level = 10 * np.log10(np.maximum(power / max(power.sum(-1).max(), 1e-12), 1e-12))
    level = np.maximum(level, FLOOR_DECIBELS)
    return np.concatenate([level.mean(0), level.std(0)])


def _bands() -> NDArray[np.float64]:
    """Triangles evenly spaced in mel from 100 to 7000 Hz, [257, BANDS]."""
    lowest, highest = 2595 * np.log10(1 + np.array([100, 7000]) / 700)
    mel = np.linspace(lowest, highest, BANDS + 2)
    low, middle, high = (700 * (10 ** (mel[at : at + BANDS] / 2595) - 1) for at in range(3))
    hertz = np.fft.rfftfreq(512, 1 / TEACHER_RATE)[:, None]
    return np.asarray(np.clip(np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle)), 0, None))


class Templates:
    """The mean description of each kind of sound.

    Args:
        examples: descriptions of several clips of each kind.
    """

    def __init__(self, examples: Mapping[str, Sequence[Description]]) -> None:
        self.means = {kind: np.mean(clips, 0) for kind, clips in examples.items()}
        within = np.mean([np.var(clips, 0) for clips in examples.values()], 0)
        self.deviation = np.sqrt(within + 1.0)  # a decibel that everything may vary by

    def nearest(self, description: Description) -> str:
        """The kind whose template is nearest."""
        distances = {
            kind: float((((description - mean) / self.deviation) ** 2).sum()) for kind, mean in self.means.items()
        }
        return min(distances, key=lambda kind: distances[kind])


def fresh_sound(tag: str, speaker: str, rng: np.random.Generator) -> Waveform:
    """A sound of `tag` as `speaker` makes it, at `TEACHER_RATE`."""
    return np.asarray(sound(tag, rng, voice_of(speaker).pitch, TEACHER_RATE) / 32768, np.float32)


def examples_of(speaker: str, speech: Sequence[Waveform]) -> dict[str, list[Waveform]]:
    """Clips of all sounds in a speaker's voice, and pieces of the speaker's own speech, at `TEACHER_RATE`."""
    rng = np.random.default_rng(7)
    clips = {tag: [fresh_sound(tag, speaker, rng) for _ in range(EXAMPLES)] for tag in SOUNDS}
    return clips | {WORDS: [clip[: round(USUAL_SECONDS * TEACHER_RATE)] for clip in speech[:EXAMPLES]]}


def templates_of(examples: Mapping[str, Sequence[Waveform]], sampling_rate: int) -> Templates:
    """Templates of clips at `sampling_rate`."""
    return Templates({kind: [describe(clip, sampling_rate) for clip in clips] for kind, clips in examples.items()})


class Sounding(NamedTuple):
    """A turn with a sound before or after its words, and how long the words alone take the teacher."""

    item: Item
    tag: str
    before: bool
    words: Item

    def cut_out(self, audio: Waveform, sampling_rate: int) -> Waveform:
        """The sound's part of what was spoken; which sound it should be is not made use of."""
        lengths = [USUAL_SECONDS + PAUSE_SECONDS / 2, self.words.seconds - 0.1]
        sure = [0.02, 1.0]  # the words' length is known, the sound's is not
        loud = np.flatnonzero(np.abs(audio) > 0.01)
        if loud.size < sampling_rate // 100:
            return audio
        spoken = audio[loud[0] : loud[-1] + 1]
        order = slice(None) if self.before else slice(None, None, -1)
        return turns(spoken, sampling_rate, lengths[order], sure[order])[0 if self.before else 1]


def beside_sounds(texts: Iterator[str]) -> Iterator[str]:
    """Those of `texts` that are short and have no pause within, which could be taken for that beside a sound."""
    return (text for text in texts if len(text.split()) <= LONGEST_BESIDE and not re.search(r"[,.!?] ", text))


def soundings(texts: Iterator[str], count: int) -> list[Sounding]:
    """`count` turns: every sound in both voices, before the words and after them."""
    drawn, short = [], beside_sounds(texts)
    for number in tqdm(range(count), "teacher, sounds", leave=False):
        tag = list(SOUNDS)[number % len(SOUNDS)]
        speaker = SPEAKERS[number // len(SOUNDS) % 2]
        before = number // (2 * len(SOUNDS)) % 2 == 0
        text = next(short)
        script = f"{tag} {text}" if before else f"{text} {tag}"
        drawn.append(Sounding(spoken_by_teacher(script, speaker), tag, before, spoken_by_teacher(text, speaker)))
    return drawn


def sounds_right(speaker: Speaker, scripts: Sequence[Sounding], seed: int) -> dict[str, Figure]:
    """How many sounds are recognized: the model's, and, through the codec, the teacher's and fresh ones."""
    clean: dict[str, Templates] = {}
    passed: dict[str, Templates] = {}
    for name in SPEAKERS:
        examples = examples_of(name, [script.words.teacher for script in scripts if script.item.speaker == name])
        clean[name] = templates_of(examples, TEACHER_RATE)
        through = {kind: speaker.through_codec(clips) for kind, clips in examples.items()}
        passed[name] = templates_of(through, speaker.rate)
    rng = np.random.default_rng(seed + 1)
    fresh = speaker.through_codec([fresh_sound(script.tag, script.item.speaker, rng) for script in scripts])
    taught = speaker.through_codec([script.item.teacher for script in scripts])
    lines = [Line(script.item.script, script.item.seconds) for script in scripts]
    spoken = [clip.audio for clip in speaker.say(lines, seed, "sounds")]
    own = _cut_out(scripts, spoken, speaker.rate)
    return {
        "sounds": _told_apart(passed, scripts, own, speaker.rate),
        "sounds_teacher": _told_apart(passed, scripts, _cut_out(scripts, taught, speaker.rate), speaker.rate),
        "sounds_fresh": _told_apart(passed, scripts, fresh, speaker.rate),
        "sounds_clean": _told_apart(clean, scripts, own, speaker.rate),
        "sounds_fresh_clean": _told_apart(clean, scripts, fresh, speaker.rate),
    }


def _cut_out(scripts: Sequence[Sounding], clips: Sequence[Waveform], sampling_rate: int) -> list[Waveform]:
    return [script.cut_out(clip, sampling_rate) for clip, script in zip(clips, scripts, strict=True)]


def _told_apart(
    templates: Mapping[str, Templates], scripts: Sequence[Sounding], sounds: Sequence[Waveform], sampling_rate: int
) -> Figure:
    described = [describe(clip, sampling_rate) for clip in sounds]
    heard = [templates[s.item.speaker].nearest(clip) for s, clip in zip(scripts, described, strict=True)]
    return share(sum(kind == script.tag for kind, script in zip(heard, scripts, strict=True)), len(scripts))
