"""Measure voice cloning: make voices from recordings, speak with them, and compare pitches.

Uses the facade, the teacher and pitch; words are not recognized.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import which
from typing import Any, NamedTuple

import numpy as np
import torch
from evaluation.held_out import TEACHER_RATE, add_training_options, fresh_sentences, sentences, trained_runs
from evaluation.intervals import share
from evaluation.listening import within
from tqdm import tqdm

from dia import MINI
from dia.audio.dsp.pitch import median_pitch
from dia.model import Dia
from dia.training.mini.teacher.voices import HELD_OUT, performs, quiet_ends_cut
from dia.voices.voice import Voice

GUIDE = """examples:
  python benchmarks/quality/cloning.py --count 128 --json cloning.json     15 minutes on 2 idle cores
  python benchmarks/quality/cloning.py --count 8 --model FOLDER            a quick check of a checkpoint

Three of the sixteen voices are lower than human voices; results that end in `_human` exclude them.
Needs flite, the teacher (apt-get install flite). Sentences share no run of four words with the training texts.
"""
CONSENT = "nobody's voice: flite's, synthetic"
TOLERANCE = 0.10
LOWEST = 85.0  # Hz; adult voices are commonly said to range from 85 to 255


class Told(NamedTuple):
    """A voice, the pitch of its recording in Hz, and the text to speak."""

    teacher: str
    voice: Voice
    pitch: float
    text: str


class Heard(NamedTuple):
    """Pitches in Hz of a recording, its decoded codes and new speech in its voice; and the length of that speech."""

    teacher: str
    recording: float
    codec: float
    new: float
    seconds: float


def voices(dia: Dia, texts: Iterator[str], count: int, seconds: float) -> Iterator[Told]:
    """`count` voices held out from training, each with a recording of `seconds` or a little more."""
    for number in tqdm(range(count), "voices", leave=False):
        teacher, said, recording = str(HELD_OUT[number % len(HELD_OUT)]), list[str](), np.zeros(0, np.float32)
        while len(recording) < seconds * TEACHER_RATE:
            said.append(next(texts))
            spoken = quiet_ends_cut(performs(said[-1], teacher)).astype(np.float32) / 32768
            recording = np.concatenate([recording, spoken, np.zeros(TEACHER_RATE // 5, np.float32)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of short recordings
            voice = Voice.from_audio(
                recording,
                f"[S1] {' '.join(said)}",
                processor=dia.processor,
                consent=CONSENT,
                sampling_rate=TEACHER_RATE,
            )
        yield Told(teacher, voice, median_pitch(recording, TEACHER_RATE), next(texts))


def heard(dia: Dia, told: Sequence[Told], at_once: int, seed: int) -> list[Heard]:
    """Speak every text in its voice, `at_once` in a batch."""
    found = []
    for first in tqdm(range(0, len(told), at_once), "speaking", leave=False):
        part = told[first : first + at_once]
        seeds = [seed + first + number for number in range(len(part))]
        spoken = dia.generate([f"[S1] {t.text}" for t in part], voice=[t.voice for t in part], seed=seeds)
        for one, sound in zip(part, spoken, strict=True):
            codec = median_pitch(dia.synthesizer.sound(one.voice.codes), dia.sample_rate)
            new = median_pitch(sound, dia.sample_rate)
            found.append(Heard(one.teacher, one.pitch, codec, new, len(sound) / dia.sample_rate))
    return found


def kept(pitches: Sequence[float], wanted: Sequence[float]) -> int:
    """The number of `pitches` within 10 % of the expected ones."""
    return sum(within(pitch, right, TOLERANCE) for pitch, right in zip(pitches, wanted, strict=True))


def told(found: Sequence[Heard]) -> dict[str, Any]:
    """The figures: of the model, of the codec alone, and of a model that always speaks in the voices' median.

    Pitches below those of human voices are reported separately, too.
    """
    human = [one for one in found if one.recording >= LOWEST]
    median = float(np.median([one.recording for one in found]))
    rows = {
        "kept": (found, [one.new for one in found]),
        "kept_human": (human, [one.new for one in human]),
        "codec_alone": (found, [one.codec for one in found]),
        "codec_alone_human": (human, [one.codec for one in human]),
        "one_voice_for_all": (found, [median] * len(found)),
    }
    figures = {
        name: share(kept(pitches, [one.recording for one in those]), len(those))
        for name, (those, pitches) in rows.items()
        if those
    }
    return {name: {"value": f.value, "low": f.low, "high": f.high, "of": f.of} for name, f in figures.items()}


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    found = argparse.ArgumentParser(
        description=__doc__, epilog=GUIDE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--model", default=str(MINI), help="checkpoint folder or Hub id (default: the embedded one)")
    found.add_argument("--count", type=int, default=100, help="number of recordings (default: 100)")
    found.add_argument("--seconds", type=float, default=5.0, help="minimum length of a recording (default: 5)")
    found.add_argument("--at-once", type=int, default=20, help="batch size (default: 20)")
    found.add_argument("--seed", type=int, default=0, help="seed of sentences and sampling (default: 0)")
    add_training_options(found)
    found.add_argument("--threads", type=int, help="number of CPU threads (default: chosen by torch)")
    found.add_argument("--json", type=Path, metavar="FILE", help="write figures and pitches here")
    return found


def main() -> None:
    """Parse arguments, measure, print, write JSON."""
    arguments = parser().parse_args()
    if which("flite") is None:
        sys.exit("cloning: flite, the teacher, is not installed. Run: apt-get install flite")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    dia = Dia.from_pretrained(arguments.model)
    trained = trained_runs(arguments.training_texts, arguments.training_seed)
    texts = iter(fresh_sentences(sentences(f"voices {arguments.seed}"), trained, 8 * arguments.count).texts)
    found = heard(dia, list(voices(dia, texts, arguments.count, arguments.seconds)), arguments.at_once, arguments.seed)
    figures = told(found)
    for one in found:
        mark = "" if within(one.new, one.recording, TOLERANCE) else "  lost"
        print(f"{one.teacher:12} {one.recording:6.1f} Hz, then {one.new:6.1f} Hz for {one.seconds:4.1f} s{mark}")
    for name, figure in figures.items():
        print(f"{name:18} {figure['value']:6.1%}  [{figure['low']:.1%}, {figure['high']:.1%}] of {figure['of']}")
    if arguments.json is not None:
        report = {"figures": figures, "pitches": [one._asdict() for one in found], "seconds": arguments.seconds}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
