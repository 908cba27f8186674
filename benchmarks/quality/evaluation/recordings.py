"""Recordings to compare speech with: sentences spoken by the teachers, and telephone prompts of a recorded person.

PROMPTS is a folder with the unpacked telephone prompts of Debian's packages asterisk-core-sounds-en-g722 and
asterisk-core-sounds-en (CC BY-SA 3.0; a woman who is in no training data), read by FFmpeg:

    apt-get download asterisk-core-sounds-en-g722 asterisk-core-sounds-en
    for package in *.deb; do dpkg-deb --extract $package PROMPTS; done
"""

import argparse
import gzip
import hashlib
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dia.audio import files
from dia.audio.waveform import Waveform
from dia.text.english.normalization import spoken_form
from dia.training.mini.teacher.natural.teachers.teacher import open_teacher

LONGEST, SHORTEST = 160, 40  # characters of a prompt


@dataclass(frozen=True)
class Spoken:
    """A sentence and its recording, mono [N]."""

    text: str
    audio: Waveform
    rate: int


class Teachers:
    """Sentences spoken by the teachers. Each clip is made once and kept as a file.

    Args:
        packages: archives of the teachers.
        clips: folder for the clips; it is made if necessary.
    """

    def __init__(self, packages: Path, clips: Path) -> None:
        self._packages, self._clips = packages, clips

    def __call__(self, name: str, voice: str, texts: Sequence[str]) -> Iterator[Spoken]:
        """The texts, spoken by a voice of a teacher."""
        folder = self._clips / f"{name}-{voice}"
        folder.mkdir(parents=True, exist_ok=True)
        teacher = None
        for text in texts:
            words = spoken_form(text)
            path = folder / f"{hashlib.sha256(words.encode()).hexdigest()[:16]}.wav"
            if not path.exists():
                teacher = teacher or open_teacher(name, self._packages)
                speech = teacher.say(words, voice)
                files.write(path, speech.waveform, speech.rate)
            samples, rate = files.read(path)
            yield Spoken(text, samples[:, 0], rate)


def prompts(folder: Path, count: int) -> Iterator[Spoken]:
    """Recorded telephone prompts of some length, spread over the list."""
    (listed,) = folder.rglob("core-sounds-en.txt.gz")
    recordings = {path.stem: path for path in folder.rglob("*.g722")}
    found = []
    for line in gzip.decompress(listed.read_bytes()).decode("utf-8", "replace").splitlines():
        name, _, text = line.partition(":")
        text = text.strip()
        plain = re.fullmatch(r"[A-Za-z ,.'?!-]+", text)
        if plain and SHORTEST <= len(text) <= LONGEST and name.strip() in recordings:
            found.append((text, recordings[name.strip()]))
    if not found:
        raise SystemExit(f"{folder} contains no prompts; see evaluation/recordings.py for where they come from.")
    for text, path in found[:: max(1, len(found) // count)][:count]:
        command = ["ffmpeg", "-v", "error", "-f", "g722", "-i", str(path), "-f", "f32le", "-ac", "1", "-"]
        raw = subprocess.run(command, check=True, capture_output=True).stdout
        yield Spoken(text, np.frombuffer(raw, np.float32).copy(), 16_000)


def parser_of(description: str | None, count: int, counted: str) -> argparse.ArgumentParser:
    """A parser with the options of a measurement that uses recordings; by default, `count` of what is `counted`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, default=Path("teacher-packages"), help="archives of the teachers")
    parser.add_argument(
        "--clips",
        type=Path,
        default=Path("teacher-clips"),
        help="folder to keep the teachers' clips in (default: teacher-clips)",
    )
    parser.add_argument("--people", type=Path, help="PROMPTS, see evaluation/recordings.py (default: none)")
    parser.add_argument("--count", type=int, default=count, help=f"{counted} (default: {count})")
    parser.add_argument("--threads", type=int, default=1, help="number of CPU threads (default: 1)")
    parser.add_argument("--json", type=Path, help="file of figures to add the results to")
    return parser
