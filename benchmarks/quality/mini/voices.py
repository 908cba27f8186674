"""Measure whether the right voice speaks: in the turns of dialogues, and after a prompt in a held-out voice."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

import numpy as np
from evaluation.held_out import SPEAKERS, TEACHER_RATE, Item, spoken_by_teacher
from evaluation.intervals import Figure, rate, share
from evaluation.listening import turns, within
from evaluation.recognizer import Recognizer
from evaluation.speaking import Line, Speaker
from mini.words import errors
from tqdm import tqdm

from dia.audio.dsp.pitch import median_pitch
from dia.audio.waveform import Waveform
from dia.training.mini.teacher.voices import HELD_OUT

FEWEST_TURNS, MOST_TURNS = 2, 6


def dialogues(texts: Iterator[str], count: int) -> list[list[Item]]:
    """`count` dialogues of 2 to 6 turns; both speakers begin equally often, then alternate."""
    drawn = []
    for number in tqdm(range(count), "teacher, dialogues", leave=False):
        length = FEWEST_TURNS + number % (MOST_TURNS - FEWEST_TURNS + 1)
        begins = number // (MOST_TURNS - FEWEST_TURNS + 1)
        drawn.append([spoken_by_teacher(next(texts), SPEAKERS[(begins + turn) % 2]) for turn in range(length)])
    return drawn


def pitches_of(items: Sequence[Item]) -> dict[str, float]:
    """The median over each speaker's utterances of the teacher's median pitch, in Hz."""
    found: dict[str, list[float]] = {}
    for item in items:
        found.setdefault(item.speaker, []).append(median_pitch(item.teacher, TEACHER_RATE))
    return {speaker: median(pitches) for speaker, pitches in found.items()}


def right_turns(audio: Waveform, sampling_rate: int, dialogue: Sequence[Item], pitches: Mapping[str, float]) -> int:
    """The number of turns of a dialogue that have the pitch of their speaker."""
    spoken = _silence_cut(audio, sampling_rate)
    if len(spoken) < sampling_rate // 2:
        return 0
    parts = turns(spoken, sampling_rate, [item.seconds for item in dialogue])
    voices = [pitches[item.speaker] for item in dialogue]
    return sum(within(median_pitch(part, sampling_rate), voice) for part, voice in zip(parts, voices, strict=True))


def voices_right(speaker: Speaker, scripts: Sequence[Sequence[Item]], seed: int) -> dict[str, Figure]:
    """The share of turns that the model, and for comparison the teacher, speaks in the right voice."""
    pitches = pitches_of([item for dialogue in scripts for item in dialogue])
    lines = [Line(" ".join(i.script for i in dialogue), sum(i.seconds for i in dialogue)) for dialogue in scripts]
    spoken = [clip.audio for clip in speaker.say(lines, seed, "dialogues")]
    taught = [np.concatenate([item.teacher for item in dialogue]) for dialogue in scripts]
    count = sum(len(dialogue) for dialogue in scripts)
    figures = {}
    for name, clips, hertz in (("voice", spoken, speaker.rate), ("voice_teacher", taught, TEACHER_RATE)):
        heard = zip(clips, scripts, strict=True)
        figures[name] = share(sum(right_turns(clip, hertz, dialogue, pitches) for clip, dialogue in heard), count)
    return figures


def prompts_and_continuations(texts: Iterator[str], count: int) -> list[tuple[Item, Item]]:
    """Pairs of utterances in one voice, over all voices held out from training; the first is the prompt."""
    voices = [str(HELD_OUT[number % len(HELD_OUT)]) for number in range(count)]
    bar = tqdm(voices, "teacher, voices to clone", leave=False)
    return [(spoken_by_teacher(next(texts), voice), spoken_by_teacher(next(texts), voice)) for voice in bar]


def cloned(
    speaker: Speaker, recognizer: Recognizer, pairs: Sequence[tuple[Item, Item]], seed: int
) -> dict[str, Figure]:
    """How often the model continues at the pitch of its prompt, compared with the teacher and with [S1]."""
    lines = [
        Line(f"{prompt.script} {more.text}", prompt.seconds + more.seconds, prompt.teacher) for prompt, more in pairs
    ]
    spoken = [clip.audio for clip in speaker.say(lines, seed, "cloning")]
    references = [median_pitch(prompt.teacher, TEACHER_RATE) for prompt, _ in pairs]
    others = [spoken_by_teacher(more.text, SPEAKERS[0]).teacher for _, more in pairs]
    heard = errors(recognizer, [more.text for _, more in pairs], spoken, speaker.rate, "cloned voices")
    return {
        "cloned": _near(spoken, speaker.rate, references),
        "cloned_teacher": _near([more.teacher for _, more in pairs], TEACHER_RATE, references),
        "cloned_chance": _near(others, TEACHER_RATE, references),
        "cloned_word_error": rate(heard.edits, heard.words),
    }


def _near(clips: Sequence[Waveform], sampling_rate: int, references: Sequence[float]) -> Figure:
    pitches = [median_pitch(clip, sampling_rate) for clip in clips]
    return share(sum(within(pitch, wanted) for pitch, wanted in zip(pitches, references, strict=True)), len(clips))


def _silence_cut(audio: Waveform, sampling_rate: int) -> Waveform:
    loud = np.flatnonzero(np.abs(audio) > 0.01)
    edge = sampling_rate // 10
    return audio[max(0, loud[0] - edge) : loud[-1] + edge] if loud.size else audio[:0]
