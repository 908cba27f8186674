"""The example voices of the embedded model: two voices of a teacher, encoded with the embedded codec.

Run this again whenever the embedded codec changes: `python -m dia.training.mini.example_voices`.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dia import MINI
from dia.processing_dia import DiaProcessor
from dia.training.mini.teacher.natural.corpus import trimmed
from dia.training.mini.teacher.natural.teachers.teacher import Speech, open_teacher
from dia.voices.description import SUFFIX
from dia.voices.voice import Voice


class Example(NamedTuple):
    """The name of the voice, Kokoro's name for it, and its text."""

    name: str
    speaker: str
    text: str


EXAMPLES = (
    Example(
        "clara",
        "bf_emma",
        "Good morning. The garden looks beautiful today, and I have time for a very long walk with my friends.",
    ),
    Example(
        "bruno",
        "am_fenrir",
        "Good evening. We came home late last night. There was nobody left at the old station by the river.",
    ),
)


def make_examples(processor: DiaProcessor, folder: Path, speak: Callable[[str, str], Speech]) -> dict[str, Voice]:
    """Write a file for each of `EXAMPLES` to `folder`, which is created if necessary; returns the voices by name.

    Args:
        processor: of the embedded model, with its codec.
        folder: to write into.
        speak: returns the speech of a text and a voice, such as `KokoroTeacher.say`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for name, speaker, text in EXAMPLES:
        consent = f"nobody's voice: Kokoro's {speaker}, synthetic and free to use"
        speech = trimmed(speak(text, speaker))
        made[name] = Voice.from_audio(
            speech.waveform, f"[S1] {text}", processor=processor, consent=consent, sampling_rate=speech.rate
        )
        made[name].save(folder / f"{name}{SUFFIX}")
    return made


def main() -> None:
    """`python -m dia.training.mini.example_voices`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MINI, help="checkpoint folder (default: the embedded one)")
    parser.add_argument("--packages", type=Path, default=Path("teacher-packages"), help="folder of Kokoro's archives")
    parser.add_argument("--output", type=Path, help="folder to write into (default: voices in --model)")
    arguments = parser.parse_args()
    folder = arguments.output or arguments.model / "voices"
    speak = open_teacher("kokoro", arguments.packages).say
    for name, voice in make_examples(DiaProcessor.from_pretrained(arguments.model), folder, speak).items():
        print(f"{folder / name}{SUFFIX}: {voice.seconds:.1f} s, {'; '.join(voice.warnings) or 'no warnings'}")


if __name__ == "__main__":
    main()

__all__ = ["EXAMPLES", "make_examples"]
