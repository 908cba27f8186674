"""The example voices of the embedded model: two voices of the teacher, encoded with the embedded codec.

Run this again whenever the embedded codec changes: `python -m dia.training.mini.example_voices`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dia import MINI
from dia.processing_dia import DiaProcessor
from dia.training.mini.teacher.voices import SAMPLING_RATE, Audio, performs
from dia.voices.description import SUFFIX
from dia.voices.voice import Voice


class Example(NamedTuple):
    """The name of the voice, the teacher's name for it (see `dia.training.mini.teacher.voices`), and its text."""

    name: str
    speaker: str
    text: str


EXAMPLES = (
    Example(
        "clara",
        "slt*1.14",
        "Good morning. The garden looks beautiful today, and I have time for a very long walk with my friends.",
    ),
    Example(
        "bruno",
        "rms*0.86",
        "Good evening. We came home late last night, and there was nobody left at the old station by the river.",
    ),
)


def make_examples(
    processor: DiaProcessor, folder: Path, speak: Callable[[str, str], Audio] = performs
) -> dict[str, Voice]:
    """Write a file for each of `EXAMPLES` to `folder`, which is created if necessary; returns the voices by name.

    Args:
        processor: of the embedded model, with its codec.
        folder: to write into.
        speak: returns the audio of a text and a speaker's name, at `SAMPLING_RATE`.

    Raises:
        FileNotFoundError: flite is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for name, speaker, text in EXAMPLES:
        consent = f"nobody's voice: flite's {speaker.partition('*')[0]}, synthetic and free to use"
        audio = np.asarray(speak(text, speaker))
        made[name] = Voice.from_audio(
            audio, f"[S1] {text}", processor=processor, consent=consent, sampling_rate=SAMPLING_RATE
        )
        made[name].save(folder / f"{name}{SUFFIX}")
    return made


def main() -> None:
    """`python -m dia.training.mini.example_voices`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MINI, help="checkpoint folder (default: the embedded one)")
    parser.add_argument("--output", type=Path, help="folder to write into (default: voices in --model)")
    arguments = parser.parse_args()
    folder = arguments.output or arguments.model / "voices"
    for name, voice in make_examples(DiaProcessor.from_pretrained(arguments.model), folder).items():
        print(f"{folder / name}{SUFFIX}: {voice.seconds:.1f} s, {'; '.join(voice.warnings) or 'no warnings'}")


if __name__ == "__main__":
    main()

__all__ = ["EXAMPLES", "make_examples"]
