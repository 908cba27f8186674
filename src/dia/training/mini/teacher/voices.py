"""flite's voices, with which the benchmarks compare, and variants of higher or lower pitch at the same tempo."""

import re
import shutil
import subprocess
import tempfile
import zlib
from typing import NamedTuple

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from dia.audio.waveform import full_scale
from dia.training.mini.teacher.sounds import SOUNDS, sound

Audio = NDArray[np.int16]

SAMPLING_RATE = 16_000
PAUSE_SECONDS = 0.12
EDGE_SECONDS = 0.1
# Median fundamental frequency in Hz of flite's voices, for their laughs.
BASES = {"slt": 172.0, "rms": 98.0, "awb": 125.0, "kal16": 104.0}


class Voice(NamedTuple):
    """A voice of flite with pitch and formants multiplied by `speed`; the tempo stays the same."""

    base: str
    speed: float = 1.0

    @property
    def pitch(self) -> float:
        """Approximate median fundamental frequency in Hz."""
        return BASES[self.base] * self.speed

    def __str__(self) -> str:
        return self.base if self.speed == 1.0 else f"{self.base}*{self.speed:g}"


SPEAKERS = {"S1": Voice("slt"), "S2": Voice("rms")}
_TRAINED = (0.8, 0.86, 0.92, 0.96, 1.0, 1.04, 1.08, 1.14, 1.2)
_HELD_OUT = (0.83, 0.89, 1.11, 1.17)
TRAINED = tuple(
    voice for base in BASES for speed in _TRAINED if (voice := Voice(base, speed)) not in SPEAKERS.values()
)
HELD_OUT = tuple(Voice(base, speed) for base in BASES for speed in _HELD_OUT)


def voice_of(speaker: str) -> Voice:
    """The voice of "S1" or "S2", or of a name in the format of `str(Voice(…))`.

    >>> voice_of("rms*0.86")
    Voice(base='rms', speed=0.86)
    """
    base, _, speed = speaker.partition("*")
    return SPEAKERS.get(speaker) or Voice(base, float(speed or 1))


def performs(text: str, speaker: str) -> Audio:
    """`says` for a speaker's name; the same text and speaker always give the same audio."""
    return says(text, voice_of(speaker), np.random.default_rng(zlib.crc32(f"{speaker} {text}".encode())))


def says(text: str, voice: Voice, rng: np.random.Generator) -> Audio:
    """Synthesize `text` in `voice`, int16 at `SAMPLING_RATE`. Tags of `SOUNDS` become sounds, others are ignored.

    Args:
        text: words, punctuation and (tags), without the speaker's tag.
        voice: the voice.
        rng: source of the sounds' variation.

    Raises:
        FileNotFoundError: flite is not installed.
    """
    pause = np.zeros(round(PAUSE_SECONDS * SAMPLING_RATE), np.int16)
    parts: list[Audio] = []
    for piece in re.split(r"(\([a-z ]+\))", text):
        if piece in SOUNDS:
            parts += [sound(piece, rng, voice.pitch, SAMPLING_RATE), pause]
        elif re.search(r"\w", piece) and not piece.startswith("("):
            parts += [quiet_ends_cut(words(piece.strip(), voice)), pause]
    return np.concatenate(parts[:-1]) if parts else np.zeros(0, np.int16)


def words(text: str, voice: Voice, tempo: float = 1.0) -> Audio:
    """flite's speech for a text without tags, with the silence at both ends; `tempo` 1.1 is a tenth faster.

    Raises:
        FileNotFoundError: flite is not installed.
        ValueError: flite's sampling rate is not `SAMPLING_RATE`.
    """
    if shutil.which("flite") is None:
        raise FileNotFoundError(
            "flite is not installed; it synthesizes the training speech. Run: apt-get install flite"
        )
    stretch = f"duration_stretch={voice.speed / tempo:g}"  # also at speed 1: some voices have another default
    with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
        command = ["flite", "-voice", voice.base, "--setf", stretch, "-t", text, "-o", wav.name]
        subprocess.run(command, check=True, capture_output=True)
        audio, rate = soundfile.read(wav.name, dtype="int16")
    if rate != SAMPLING_RATE:
        raise ValueError(f"flite spoke at {rate} Hz; the mini model is trained at {SAMPLING_RATE} Hz")
    if voice.speed != 1.0:
        audio = soxr.resample(audio, rate * voice.speed, SAMPLING_RATE)
    return np.asarray(audio, dtype=np.int16)


def quiet_ends_cut(audio: Audio) -> Audio:
    """`audio` without the silence at both ends."""
    return audio[loud_span(audio)]


def trim(audio: Audio, edge_seconds: float = EDGE_SECONDS) -> Audio:
    """Make the silence at both ends exactly `edge_seconds` long, by cutting or adding zeros.

    A clip that is all silence becomes two edges.
    """
    edge, loud = round(edge_seconds * SAMPLING_RATE), loud_span(audio)
    if loud.start == loud.stop:
        return np.zeros(2 * edge, dtype=np.int16)
    return np.pad(audio, edge)[loud.start : loud.stop + 2 * edge]


def loud_span(audio: Audio, threshold: float = 0.01) -> slice:
    """From the first to the last sample above `threshold` of full scale; `slice(0, 0)` if there is none."""
    loud = np.flatnonzero(np.abs(full_scale(audio)) > threshold)
    return slice(int(loud[0]), int(loud[-1]) + 1) if loud.size else slice(0, 0)
